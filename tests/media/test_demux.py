"""Opening files, and choosing the video stream."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import pytest

from lipdub.errors import InputError
from lipdub.media.demux import (
    absolute_path,
    check_readable,
    codec_name,
    decode_frames,
    is_image_container,
    open_media,
    select_video_stream,
)
from tests.media.clips import make_video, scene

if TYPE_CHECKING:
    from pathlib import Path


def test_absolute_paths_keep_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    assert absolute_path("link/../real/./a.mp4") == tmp_path / "real" / "a.mp4"
    assert absolute_path("link/a.mp4") == tmp_path / "link" / "a.mp4"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (bytes(100), "only zero bytes"),
        ("größe\n".encode() * 2000, "a text file"),
        (b"\0\0\0\x18ftypisom" + bytes(50), "moov atom"),
        (b"\xff\x00\x12" * 40, "cannot be read as video or sound"),
    ],
)
def test_why_a_file_cannot_be_opened(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason), open_media(path):
        pass


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        check_readable(tmp_path / "a.mp4")
    with pytest.raises(InputError, match="is a folder"):
        check_readable(tmp_path)


def test_the_default_video_stream_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("ffv1", rate=25) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        streams[0].disposition = av.stream.Disposition(0)
        streams[1].disposition = av.stream.Disposition.default
        for stream in streams:
            container.mux(stream.encode(scene("yuv420p", 64, 48, 0)))
            container.mux(stream.encode(None))
    with open_media(path) as container:
        stream = select_video_stream(container)
        assert stream is not None
        assert stream.index == 1
        assert codec_name(stream) == "ffv1"
        assert len(list(decode_frames(container, stream))) == 1


def test_pictures_and_videos(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    cv2.imwrite(str(picture), np.zeros((20, 30, 3), np.uint8))
    with open_media(picture) as container:
        assert is_image_container(container)
    with open_media(make_video(tmp_path / "a.mp4")) as container:
        assert not is_image_container(container)


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/null"):
        with pytest.raises(InputError, match="is a pipe or a device"):
            check_readable(path)
