"""A workspace has one writer at a time, and the lock dies with its process."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lipdub.errors import EnvironmentFailure
from lipdub.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys, time
from pathlib import Path
from lipdub.workspace import Workspace
with Workspace(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(60)
"""


def test_second_writer_is_told_who_holds_it(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(EnvironmentFailure, match=f"process {holder.pid} "), Workspace(folder).locked():
            pass
        with pytest.raises(EnvironmentFailure, match="in use"):
            Workspace(folder).clean()
        Workspace(folder)  # reading needs no lock
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with Workspace(folder).locked():  # the lock died with its holder
        pass
