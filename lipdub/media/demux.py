"""Demux."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipdub.errors import InputError, printable, wrap_os_error

if TYPE_CHECKING:
    from collections.abc import Iterator


IMAGE_FORMATS = {
    "image2",
    "png_pipe",
    "jpeg_pipe",
    "mjpeg_pipe",
    "webp_pipe",
    "bmp_pipe",
    "tiff_pipe",
    "jpegxl_pipe",
    "ppm_pipe",
    "pgm_pipe",
    "gif_pipe",
    "j2k_pipe",
    "tga_pipe",
    "dpx_pipe",
    "exr_pipe",
    "avif",
    "heif",
}


def check_readable(path: Path | str) -> Path:
    """``path`` made absolute; :class:`InputError` if it is missing, a directory, empty or not readable."""
    place = Path(os.path.abspath(path))
    try:
        if place.is_dir():
            raise InputError(f"{printable(path)} is a folder, not a media file")
        if not place.exists():
            raise InputError(f"there is no file {printable(path)}")
        with place.open("rb") as file:
            if place.is_file() and not file.read(1):
                raise InputError(f"{printable(path)} is empty (0 bytes)")
    except PermissionError as error:
        raise InputError(f"no permission to read {printable(path)}") from error
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    return place


@contextmanager
def open_media(path: Path | str) -> Iterator[Any]:
    """The file as a PyAV input container; what cannot be opened raises :class:`InputError` with the reason."""
    import av

    place = check_readable(path)
    try:
        # In the name of a picture, % would be taken for a numbered sequence: such a file is handed over open.
        if "%" in place.name and place.suffix.lower() not in (".mp4", ".mov", ".mkv", ".webm", ".avi", ".wav"):
            container = av.open(place.open("rb"), metadata_errors="replace")
        else:
            container = av.open(str(place), metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise InputError(
            f"{printable(path)} cannot be read as video or sound: {_explain_open_failure(place, error)}"
        ) from error
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    try:
        yield container
    finally:
        container.close()


def _explain_open_failure(path: Path, error: Exception) -> str:
    """A likelier reason than FFmpeg's "invalid data"."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head[4:8] in (b"ftyp", b"mdat", b"wide", b"free", b"skip", b"moov"):
        return "the file is cut short or damaged (its index, the moov atom, is missing)"
    if not head.strip(b"\0"):
        return "it holds only zero bytes"
    if _is_text(head):
        return "it is a text file"
    return getattr(error, "strerror", None) or "unknown or damaged format"


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8", "strict") if len(head) < 4096 else head[:-4].decode("utf-8", "ignore")
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\r\n\t" for letter in text)


def codec_name(stream: Any) -> str:
    """The codec of a stream by its common name ("av1", whichever decoder reads it)."""
    return str(getattr(stream.codec_context.codec, "canonical_name", stream.codec_context.name))


def select_video_stream(container: Any) -> Any | None:
    """The stream taken for the video: the default one, else the first, cover pictures left out."""
    from av.stream import Disposition

    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails)
        and stream.codec_context is not None
    ]
    chosen = [stream for stream in streams if stream.disposition & Disposition.default]
    return (chosen or streams or [None])[0]


def is_image_container(container: Any) -> bool:
    """Whether the file is a still picture."""
    names = set(container.format.name.split(","))
    return bool(names & IMAGE_FORMATS) or container.format.name.endswith("_pipe")


def decode_frames(container: Any, stream: Any) -> Iterator[Any]:
    """Frames of a stream in presentation order; damaged packets are passed over."""
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):
            packet = None
        try:
            # A packet without data (and the end of the file) empties the decoder.
            yield from stream.decode(None if packet is None or packet.size == 0 else packet)
        except av.error.EOFError:
            pass
        except av.error.FFmpegError:
            if packet is None:
                return
            continue
        if packet is None or packet.size == 0:
            return


def decode_first_frame(container: Any, stream: Any) -> Any | None:
    """The first frame of a freshly opened container."""
    return next(decode_frames(container, stream), None)
