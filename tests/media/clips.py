"""Little media files made by code, for the tests of this folder."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np

from lipdub.media.ffmpeg import find_ffmpeg
from lipdub.media.pixel_formats import plane_layout, view_plane
from tests.sounds import write_silence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def scene(pix_fmt: str, width: int, height: int, number: int) -> av.VideoFrame:
    """A frame with moving waves and a little noise in every plane, the same for the same arguments."""
    layout = plane_layout(pix_fmt)
    assert layout is not None
    frame = av.VideoFrame(width, height, pix_fmt.replace("yuvj", "yuv"))
    noise = np.random.default_rng(number)
    top = (1 << layout.depth) - 1
    for index, plane in enumerate(frame.planes):
        step_x, step_y = layout.steps(index)
        rows, columns = -(-height // step_y), -(-width // step_x)
        y, x = np.mgrid[0:rows, 0:columns]
        wave = 0.5 + 0.35 * np.sin(0.11 * x * step_x + 0.07 * y * step_y + 0.4 * number + 1.7 * index)
        values = wave * top + noise.normal(0, top / 64, (rows, columns))
        view_plane(plane, layout.dtype, (rows, columns))[:] = np.clip(values, 0.08 * top, 0.9 * top)
    return frame


def make_video(
    path: Path,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = (64, 48),
    pts: Sequence[int] = tuple(range(12)),
    time_base: Fraction = Fraction(1, 25),
    options: dict[str, str] | None = None,
    rotation: float = 0,
    hflip: bool = False,
    colour: tuple[int, int, int, int] = (0, 2, 2, 2),
    aspect: Fraction | None = None,
    sound: np.ndarray | None = None,
    rate: int = 48000,
    sound_codec: str = "aac",
    sound_start: Fraction = Fraction(0),
    second_sound: np.ndarray | None = None,
    metadata: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    format: str | None = None,
    chapters: Sequence[tuple[float, float, str]] = (),
    last: int | None = None,
) -> Path:
    """A video of :func:`scene` frames at the given times; ``colour`` is range, matrix, primaries, transfer."""
    scale = {"video_track_timescale": str(time_base.denominator), "movie_timescale": str(time_base.denominator)}
    if path.suffix not in (".mp4", ".mov"):
        scale = {}
    with av.open(str(path), "w", format=format, options=scale | (container_options or {})) as container:
        container.metadata.update(metadata or {})
        video = container.add_stream(codec, rate=25, options=options or {})
        video.width, video.height = size
        context = video.codec_context
        context.pix_fmt = pix_fmt.replace("yuvj", "yuv")
        context.time_base = time_base
        full = 2 if pix_fmt.startswith("yuvj") else colour[0]
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = full, *colour[1:]
        if aspect:
            context.sample_aspect_ratio = aspect
        if rotation or hflip:
            video.set_display_rotation(rotation, hflip=hflip)
        tracks = [
            (container.add_stream(sound_codec, rate=rate, layout="mono"), samples)
            for samples in (sound, second_sound)
            if samples is not None
        ]
        if chapters:
            container.set_chapters(
                [
                    {
                        "id": n,
                        "start": round(a * 1000),
                        "end": round(b * 1000),
                        "time_base": Fraction(1, 1000),
                        "metadata": {"title": title},
                    }
                    for n, (a, b, title) in enumerate(chapters)
                ]
            )
        for number, time in enumerate(pts):
            frame = scene(pix_fmt, *size, number)
            frame.pts, frame.time_base = int(time), time_base
            frame.color_range, frame.colorspace = full, colour[1]
            frame.color_primaries, frame.color_trc = colour[2], colour[3]
            if last is not None and number == len(pts) - 1:
                frame.duration = last
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for track, samples in tracks:
            put_sound(container, track, samples, rate, sound_start)
    return path


def make_interlaced(path: Path, order: str, *options: str, size: tuple[int, int] = (96, 64), fields: int = 16) -> Path:
    """A video of woven fields of a moving scene at 50 fields a second.

    ``order`` is "tff" or "bff", ``options`` are ffmpeg's for the output, the encoder among them.
    """
    scene = f"testsrc2=size={size[0]}x{size[1]}:rate=50:duration={fields / 50}"
    weave = f"interlace=scan={order}:lowpass=0"
    command = [find_ffmpeg(), "-v", "error", "-y", "-f", "lavfi", "-i", scene, "-vf", weave, *options, str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def put_sound(container: object, track: object, samples: np.ndarray, rate: int, start: Fraction = Fraction(0)) -> None:
    """Encode mono float samples, the first of them heard at ``start``."""
    resampler = av.AudioResampler(format=track.codec_context.format.name, layout="mono", rate=track.codec_context.rate)  # type: ignore[attr-defined]
    first = round(start * rate)
    for begin in range(0, len(samples), 1024):
        part = np.ascontiguousarray(samples[begin : begin + 1024], dtype=np.float32)[None]
        frame = av.AudioFrame.from_ndarray(part, format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, first + begin, Fraction(1, rate)
        for converted in resampler.resample(frame):
            container.mux(track.encode(converted))  # type: ignore[attr-defined]
    for converted in resampler.resample(None):
        container.mux(track.encode(converted))  # type: ignore[attr-defined]
    container.mux(track.encode(None))  # type: ignore[attr-defined]


def make_sound(path: Path, samples: np.ndarray, rate: int = 48000, codec: str = "pcm_s16le") -> Path:
    """A mono sound file."""
    with av.open(str(path), "w") as container:
        track = container.add_stream(codec, rate=rate, layout="mono")
        put_sound(container, track, samples, rate)
    return path


def empty_sound(path: Path) -> Path:
    """A valid WAV file without a single sample."""
    return write_silence(path, 0)


def chirp(seconds: float, rate: int = 48000, seed: int = 0) -> np.ndarray:
    """A sweep with bursts of noise: its autocorrelation has one sharp peak."""
    times = np.arange(round(seconds * rate)) / rate
    sweep = np.sin(2 * np.pi * (300 * times + 900 * times**2 / max(seconds, 0.1)))
    noise = np.random.default_rng(seed).normal(0, 0.3, len(times))
    noise = np.convolve(noise, np.hanning(9) / 4.0, mode="same")
    return (0.3 * sweep + 0.3 * noise).astype(np.float32).clip(-0.9, 0.9)


def lag(recording: np.ndarray, reference: np.ndarray, rate: int) -> float:
    """Seconds by which ``reference`` lies after the start of ``recording``, by cross-correlation."""
    size = 1 << (len(recording) + len(reference) - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(recording, size) * np.conj(np.fft.rfft(reference, size)), size)
    place = int(np.argmax(product))
    left, peak, right = product[place - 1], product[place], product[(place + 1) % size]
    exact = place + 0.5 * (left - right) / (left - 2 * peak + right)
    return (exact if exact < size / 2 else exact - size) / rate


def planes_of(frame: av.VideoFrame) -> list[np.ndarray]:
    """The planes of a decoded planar frame."""
    layout = plane_layout(frame.format.name)
    assert layout is not None
    result = []
    for index, plane in enumerate(frame.planes):
        step_x, step_y = layout.steps(index)
        result.append(view_plane(plane, layout.dtype, (-(-frame.height // step_y), -(-frame.width // step_x))).copy())
    return result


def add_data_track(source: Path, out: Path, tag: str) -> Path:
    """Copy a MOV or MP4 file and add a track of timed metadata with this sample description."""
    with av.open(str(source)) as given, av.open(str(out), "w", format="mp4") as made:
        streams = {s.index: made.add_stream_from_template(s) for s in given.streams if s.type != "data"}
        data = made.add_data_stream("bin_data")
        data.time_base = Fraction(1, 1000)
        for packet in given.demux(*(given.streams[index] for index in streams)):
            if packet.size:
                packet.stream = streams[packet.stream.index]
                made.mux(packet)
        for number in range(2):
            packet = av.Packet(b"DEVC" + bytes(200))
            packet.pts = packet.dts = number * 200
            packet.duration, packet.time_base, packet.stream = 200, Fraction(1, 1000), data
            made.mux(packet)
    out.write_bytes(out.read_bytes().replace(b"gpmd", tag.encode()))
    return out


def copy_turned(source: Path, out: Path, degrees: int) -> Path:
    """Copy a file and tag its picture to be turned counterclockwise for display."""
    with av.open(str(source)) as given, av.open(str(out), "w") as made:
        streams = {stream.index: made.add_stream_from_template(stream) for stream in given.streams}
        streams[given.streams.video[0].index].set_display_rotation(degrees)
        for packet in given.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                made.mux(packet)
    return out
