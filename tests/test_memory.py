"""Free memory is returned where the system has a call for it."""

from __future__ import annotations

import pytest

from lipdub import memory


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_it_works_on_every_platform(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.sys, "platform", platform)
    memory.release_free_memory()


def test_a_c_library_without_the_call_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    import ctypes

    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    memory.release_free_memory()
