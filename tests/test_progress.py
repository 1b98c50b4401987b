"""Progress events."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from lipdub.progress import Event, ignore_event


def test_events_are_values() -> None:
    event = Event("progress", "sync", done=3, total=None)
    assert event == Event("progress", "sync", 3)
    assert event.unit == "frames"
    with pytest.raises(FrozenInstanceError):
        event.done = 4  # type: ignore[misc]


def test_events_do_not_share_data() -> None:
    Event("warn").data["key"] = 1
    assert Event("warn").data == {}


def test_the_default_callback_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    ignore_event(Event("done"))
    assert capsys.readouterr() == ("", "")
