"""Opening media files, choosing the video stream and decoding frames."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipdub.errors import EMPTY_NAME_HINT, InputError, printable, wrap_os_error
from lipdub.media.picture_grid import has_endless_grid, join_tiles, read_picture_grid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# FFmpeg's names of the demuxers of still pictures.
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
# Brands of still pictures in the container of MP4, which AVIF and HEIC share. Sequences have others (avis, msf1).
_STILL_BRANDS = {"avif", "heic", "heix", "heim", "heis", "mif1", "mif2", "miaf", "avci", "j2ki", "jpeg"}
_TILE = 1 << 19  # FFmpeg's disposition "dependent": the stream is a part of a picture
# FFmpeg takes % in the name of a picture for a numbered sequence; not in names with these endings.
_LITERAL_NAME_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".wav")
UNKNOWN_CODEC = "unknown"
_HEAD_BYTES = 4096  # bytes of an unreadable file that are searched for the reason
_MOV_ATOMS = (b"ftyp", b"mdat", b"wide", b"free", b"skip", b"moov")  # first atoms of MP4 and MOV files
_LONGEST_CODE_POINT = 4  # bytes of UTF-8


def absolute_path(path: Path | str) -> Path:
    """Return an absolute path without ``..``; symbolic links stay as they are.

    FFmpeg takes the beginning of a relative path such as ``http:/a.mp4`` for a protocol, and would use the network.
    """
    return Path(os.path.normpath(Path(path).absolute()))


def check_readable(path: Path | str) -> Path:
    """Return an absolute path.

    Raises:
        InputError: The file is missing, a folder, a pipe, empty or not readable.
    """
    place = absolute_path(path)
    try:
        if place.is_dir():
            hint = EMPTY_NAME_HINT if Path(path) == Path() else ""
            raise InputError(f"{printable(path)} is a folder, not a media file", hint=hint)
        if not place.exists():
            raise InputError(f"there is no file {printable(path)}")
        if not place.is_file():
            raise InputError(f"{printable(path)} is a pipe or a device", hint="Save its content to a file first.")
        with place.open("rb") as file:
            if not file.read(1):
                raise InputError(f"{printable(path)} is empty (0 bytes)")
    except PermissionError as error:
        raise InputError(f"no permission to read {printable(path)}") from error
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    return place


def identify_content(path: Path | str) -> tuple[str, int, int]:
    """Return a file's absolute path, size, and time of the last change in ns: a key for what its content tells.

    Raises:
        InputError: The file cannot be read.
    """
    place = check_readable(path)
    state = place.stat()
    return str(place), state.st_size, state.st_mtime_ns


@contextmanager
def open_media(path: Path | str) -> Iterator[Any]:
    """Open a file as a PyAV input container.

    Raises:
        InputError: The file cannot be opened; the message names the likely reason.
    """
    import av

    place = check_readable(path)
    if has_endless_grid(place):
        raise InputError(f"{printable(path)} cannot be read as video or sound: its tiles are damaged")
    try:
        if "%" in place.name and place.suffix.lower() not in _LITERAL_NAME_SUFFIXES:
            container = av.open(place.open("rb"), metadata_errors="replace")
        else:
            container = av.open(str(place), metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        reason = _explain_open_failure(place, error)
        raise InputError(f"{printable(path)} cannot be read as video or sound: {reason}") from error
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    try:
        yield container
    finally:
        container.close()


def _explain_open_failure(path: Path, error: Exception) -> str:
    """Return a likelier reason than FFmpeg's "invalid data"."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head[4:8] in _MOV_ATOMS:
        return "the file is cut short or damaged (its index, the moov atom, is missing)"
    if not head.strip(b"\0"):
        return "it holds only zero bytes"
    if _is_text(head):
        return "it is a text file"
    return getattr(error, "strerror", None) or "unknown or damaged format"


def _is_text(head: bytes) -> bool:
    """Whether the beginning of a file is printable UTF-8."""
    try:
        if len(head) < _HEAD_BYTES:
            text = head.decode("utf-8", "strict")
        else:
            text = head[:-_LONGEST_CODE_POINT].decode("utf-8", "ignore")
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\r\n\t" for letter in text)


def codec_name(stream: Any) -> str:
    """Return the common name of a stream's codec ("av1", whichever decoder reads it).

    Streams without a decoder have the name "unknown".
    """
    if stream.codec_context is None:
        return UNKNOWN_CODEC
    return str(getattr(stream.codec_context.codec, "canonical_name", stream.codec_context.name))


def select_video_stream(container: Any) -> Any | None:
    """Return the stream used as the video: the default one, else the first; cover pictures do not count.

    Of a still picture in tiles it is one of these. :func:`decode_frames` joins them.
    """
    from av.stream import Disposition

    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails)
        and stream.codec_context is not None
    ]
    defaults = [stream for stream in streams if stream.disposition & Disposition.default]
    tiles = [stream for stream in streams if stream.disposition & _TILE] if is_image_container(container) else []
    return (defaults or tiles or streams or [None])[0]


def is_image_container(container: Any) -> bool:
    """Whether the format of the file is one of still pictures."""
    names = set(container.format.name.split(","))
    if names & IMAGE_FORMATS or container.format.name.endswith("_pipe"):
        return True
    return "mp4" in names and container.metadata.get("major_brand", "").strip() in _STILL_BRANDS


def decode_frames(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the frames of a stream in presentation order.

    Damaged packets are skipped. A stream without a decoder has no frames. If the stream is a tile of a still picture,
    the whole picture is the only frame.

    Raises:
        InputError: The picture's tiles cannot be joined.
    """
    if is_image_container(container) and stream.disposition & _TILE:
        yield _decode_tiles(container)
    else:
        yield from _decode_stream(container, stream)


def _decode_tiles(container: Any) -> Any:
    """Return a still picture that is made of tiles, each of which is a stream."""
    place = Path(container.name)
    grid = read_picture_grid(place)
    if grid is not None:
        streams = [stream for stream in container.streams.video if stream.id in grid.tiles]
        try:
            return join_tiles(grid, _decode_pictures(container, streams))
        except ValueError:
            pass
    raise InputError(
        f"the tiles of the picture {printable(place)} cannot be joined", hint="Save it as JPEG or PNG first."
    )


def _decode_pictures(container: Any, streams: Sequence[Any]) -> dict[int, Any]:
    """Return the only frame of each stream, by the stream's ``id``; none of those that do not decode."""
    import av

    frames = {}
    for stream in streams:
        stream.codec_context.thread_count = 1  # there may be hundreds of decoders
    for packet in _read_packets(container, streams) if streams else ():
        try:
            for frame in [*packet.decode(), *packet.stream.decode(None)]:
                frames[packet.stream.id] = frame
        except av.error.FFmpegError:
            continue
    return frames


def _read_packets(container: Any, streams: Sequence[Any]) -> Iterator[Any]:
    """Yield the packets of streams that hold something, up to the first that cannot be read."""
    import av

    with suppress(av.error.FFmpegError):
        for packet in container.demux(*streams):
            if packet.size:
                yield packet


def _decode_stream(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the frames of a stream as the file has them."""
    import av

    if stream.codec_context is None:
        return
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):
            packet = None
        is_flush = packet is None or packet.size == 0  # empties the decoder
        try:
            yield from stream.decode(None if is_flush else packet)
        except av.error.EOFError:
            pass
        except av.error.FFmpegError:
            if packet is None:
                return
            continue
        if is_flush:
            return


def decode_first_frame(container: Any, stream: Any) -> Any | None:
    """Return the first frame of a freshly opened container; None if no frame decodes."""
    return next(decode_frames(container, stream), None)
