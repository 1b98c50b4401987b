"""A host of files on the loopback device, that can be as unreliable as real ones."""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class File:
    """A file as the host serves it.

    ``cuts`` are bytes after which the connection breaks, one for each answer, the last ones whole; ``codes``
    likewise statuses instead of the file.
    """

    content: bytes
    cuts: list[int] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    ranges: bool = True
    etag: str = ""
    kind: str = "application/octet-stream"
    moved: str = ""
    length: bool = True


class Host:
    """The running host: its files by path, and the requests it had as (path, Range)."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.asked: list[tuple[str, str]] = []
        self.address = ""

    def put(self, path: str, content: bytes, **how: object) -> str:
        """Serves a file; returns its address."""
        self.files[path] = File(content, **how)  # type: ignore[arg-type]
        return f"{self.address}{path}"


@contextmanager
def hosting() -> Iterator[Host]:
    """Runs a host while the block runs."""
    host = Host()

    class Handler(_Handler):
        serves = host

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    serves: ClassVar[Host]

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.serves.asked.append((self.path, wanted))
        file = self.serves.files.get(self.path)
        if file is None:
            return self._status(404)
        if file.codes:
            return self._status(file.codes.pop(0))
        if file.moved:
            self.send_response(302)
            self.send_header("Location", file.moved)
            self.end_headers()
            return None
        begin = 0
        if wanted and file.ranges and self.headers.get("If-Range", file.etag) == file.etag:
            begin = int(wanted.removeprefix("bytes=").rstrip("-"))
            if begin >= len(file.content):
                return self._status(416)
        self._send(file, begin)
        return None

    def _send(self, file: File, begin: int) -> None:
        whole = len(file.content)
        self.send_response(206 if begin else 200)
        self.send_header("Content-Type", file.kind)
        if file.length:
            self.send_header("Content-Length", str(whole - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{whole - 1}/{whole}")
        if file.etag:
            self.send_header("ETag", file.etag)
        self.end_headers()
        end = begin + file.cuts.pop(0) if file.cuts else whole
        with suppress(OSError):  # the other side may have heard enough
            self.wfile.write(file.content[begin:end])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)

    def _status(self, code: int) -> None:
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass
