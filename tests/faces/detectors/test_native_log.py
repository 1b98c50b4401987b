"""MediaPipe's log lines do not reach standard error; other lines do."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from lipdub.faces.detectors import native_log

if TYPE_CHECKING:
    from pathlib import Path

NATIVE = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    b"W0000 00:00:1795783123.460401   22881 inference_feedback_manager.cc:114] Feedback manager requires\n"
    b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
)
FINDS_FACES = """
import sys
import numpy as np
import lipdub
from lipdub.faces import detectors
from lipdub.media.read import read_frames
frames = [frame.picture.rgb() for frame in read_frames(sys.argv[1], 0, 4)]
with detectors.create("mediapipe") as detector:
    found = detector.detect(frames, [False] * 4)
    detector.reset()
    found += detector.detect([np.zeros_like(frames[0]), *frames], [False] * 5)
    found += detector.detect(frames[:1], [True])
    small = np.zeros((900, 1600, 3), np.uint8)
    small[300:364, 500:564] = frames[0][::8, ::8]
    detector.detect([small] * 4, [True] * 4)
facts = lipdub.inspect(sys.argv[1])
print([len(faces) for faces in found], len(facts["tracks"]))
"""


@pytest.mark.slow
def test_a_library_call_that_finds_faces_writes_nothing(short_talker: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FINDS_FACES, str(short_talker)], capture_output=True, check=False)
    assert done.stderr == b""
    assert done.stdout.decode().split("\n")[0] == "[1, 1, 1, 1, 0, 1, 1, 1, 1, 1] 1"


def test_native_lines_go_to_the_logger_and_others_through(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger=native_log.__name__), native_log.divert_native_log():
        os.write(2, NATIVE)
        os.write(2, b"something of the caller's\n")
        assert capfd.readouterr().err == ""
    assert capfd.readouterr().err == "something of the caller's\n"
    assert len(caplog.records) == 3
    assert "Feedback manager" in caplog.text
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_threads_may_be_inside_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    is_inside, may_leave = threading.Event(), threading.Event()

    def stay() -> None:
        with native_log.divert_native_log():
            is_inside.set()
            may_leave.wait(10)
            os.write(2, NATIVE)

    thread = threading.Thread(target=stay)
    thread.start()
    is_inside.wait(10)
    with native_log.divert_native_log():
        os.write(2, NATIVE)
    may_leave.set()
    thread.join()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_an_error_restores_the_descriptor(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="within"), native_log.divert_native_log():
        raise ValueError("within")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
