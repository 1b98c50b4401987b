"""Refuses every name look-up, connection and datagram of a Python process whose PYTHONPATH has this folder.

Python imports this module at start, also in child processes. What is refused is appended to the file that GUARD_LOG
names, so that code which catches the error does not hide it.
"""

import os
import socket
import sys

_LOOK_UPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo")
_SENDING = ("socket.connect", "socket.sendto", "socket.sendmsg")


def _refuse(event: str, arguments: tuple) -> None:
    if event in _LOOK_UPS or (event in _SENDING and arguments[0].family in (socket.AF_INET, socket.AF_INET6)):
        with open(os.environ["GUARD_LOG"], "a") as log:  # noqa: PTH123 - pathlib is not loaded in every process
            print(sys.argv, event, arguments[1:], file=log)
        raise PermissionError(f"{event} is refused in this test")


sys.addaudithook(_refuse)
