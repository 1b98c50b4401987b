"""The lips of a speech from Python: result, landmarks, and what is checked before any work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lipdub
from lipdub.engine import lip_export
from lipdub.errors import InputError, UsageError
from lipdub.faces.landmarks import IBUG
from tests.sample import SPEECH
from tests.sounds import write_silence

if TYPE_CHECKING:
    from pathlib import Path


def test_speech_that_is_too_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"only 0\.01 s"):
        lipdub.lips(write_silence(tmp_path / "short.wav", 0.0125))


def test_silence_is_rest(tmp_path: Path) -> None:
    quiet = write_silence(tmp_path / "quiet.wav", 1.0)
    result = lipdub.lips(quiet, tmp_path / "q.tsv", plot=tmp_path / "q.png")
    assert not result.trajectory.values.any()
    assert [cue.label for cue in result.trajectory.visemes] == ["sil"]
    assert (tmp_path / "q.tsv").read_text() == "0.00\tX\n1.00\tX\n"
    assert result.written == (tmp_path / "q.tsv", tmp_path / "q.png") and result.landmarks is None
    assert result.track is result.trajectory  # the name of lipdub 0.1.0


def test_the_summary_is_plain(tmp_path: Path) -> None:
    import json

    result = lipdub.lips(SPEECH, tmp_path / "a.npz", landmarks=68, fps=25)
    summary = json.loads(json.dumps(result.to_json()))
    assert summary["landmarks"] == {"points": 68, "frames": 106, "unit": "eyes"}
    assert summary["rate"] == 25 and summary["rows"] == 106 and summary["heard"] == "sound"
    assert summary["written"] == [str(tmp_path / "a.npz")]


@pytest.mark.slow
def test_landmarks_of_a_part_of_the_neutral_face(tmp_path: Path) -> None:
    whole = lipdub.lips(SPEECH, tmp_path / "a.npz", landmarks=478).landmarks
    part = lipdub.lips(SPEECH, tmp_path / "b.npz", landmarks=68, start=1.0, end=2.0).landmarks
    assert whole is not None and part is not None
    np.testing.assert_array_equal(part.points, whole.points[100:200][:, list(IBUG)])
    np.testing.assert_array_equal(part.mesh, IBUG)
    np.testing.assert_array_equal(whole.mesh, np.arange(478))
    assert part.source is None and part.size == () and part.unit == "eyes"


def test_events_tell_the_steps_and_end(tmp_path: Path) -> None:
    events: list[Any] = []
    lipdub.lips(write_silence(tmp_path / "quiet.wav", 0.5), progress=events.append)
    assert [event.kind for event in events] == ["progress", "warn", "progress", "done"]
    assert "quiet.wav is silent" in events[1].message
    assert [event.done for event in events if event.kind != "warn"] == [0, 1, 2]


@pytest.mark.slow
def test_channels_of_opposite_phase_are_heard(tmp_path: Path) -> None:
    import soundfile

    samples, rate = soundfile.read(SPEECH, dtype="float32")
    soundfile.write(tmp_path / "opposite.wav", np.stack([samples, -samples], 1), rate, subtype="FLOAT")
    heard, expected = lipdub.lips(tmp_path / "opposite.wav"), lipdub.lips(SPEECH)
    assert heard.trajectory.phones == expected.trajectory.phones
    assert "opposite.wav" in heard.notes[0] and "channel 1 alone" in heard.notes[0]


def test_targets_are_checked_before_any_work(tmp_path: Path) -> None:
    speech, other = tmp_path / "s.wav", tmp_path / "o.csv"
    speech.write_bytes(b"x")
    other.write_bytes(b"y")
    lip_export.check_target(tmp_path / "new.csv", speech, overwrite=False)
    lip_export.check_target(other, speech, overwrite=True)
    for path, overwrite, message in (
        (tmp_path, True, "is a folder"),
        (speech, True, "would replace"),
        (other, False, "exists already"),
    ):
        with pytest.raises(UsageError, match=message):
            lip_export.check_target(path, speech, overwrite=overwrite)
    with pytest.raises(UsageError, match="the same file"):
        lipdub.lips(tmp_path / "none.wav", tmp_path / "a.png", format="json", plot=tmp_path / "a.png")


def test_a_folder_that_is_no_workspace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a workspace"):
        lipdub.lips(SPEECH, tmp_path / "a.npz", landmarks=68, video=tmp_path)


def test_a_picture_does_not_choose_the_face(tmp_path: Path) -> None:
    picture = tmp_path / "face.png"
    picture.write_bytes(b"x")
    with pytest.raises(UsageError, match="takes no picture"):
        lipdub.lips(SPEECH, tmp_path / "a.npz", landmarks=68, video=tmp_path / "v.mp4", face=str(picture))
