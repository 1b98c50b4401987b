"""Speed and memory of whole processes, as a person meets them.

    python -m tests.bench [speed] [help] [memory] [--clips FILE ...] [--speech FILE] [--times N] [--minutes M]

speed   wall time of `lipdub run --recipe builtin` divided by that of `ffmpeg -c:v libx264 -crf 18` of the same clip,
the
        two alternating N times (median of the ratios); the share of each stage; a second run with another speech
help    wall time of `lipdub --help`
memory  peak resident memory of a job of M minutes against one of one minute, 1080p, made by looping a clip (slow: not
        among the defaults)

Clips by default: those of 590 pixels and 1080p in the development data (LIPDUB_SHARED or ../shared), else the drawn
talker and the same laid into 1080p.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench import common

WANTED = ("speed", "help")  # what runs when nothing is named


def speed(clips: list[Path], speech: Path, other: Path, times: int, folder: Path) -> None:
    """Ratio to an encode, shares of the stages, second run with another speech."""
    from lipdub.media.ffmpeg import find_ffmpeg

    for clip in clips:
        ratios, walls, encodes, work_ratios = [], [], [], []
        shares: dict[str, list[float]] = {}
        second = 0.0
        for number in range(times):
            work = folder / f"{clip.stem}-{number}.lipdub"
            out = folder / f"{clip.stem}-{number}{clip.suffix}"
            done, result = common.dub(clip, speech, out, work, "--length", "video")
            if done.code:
                raise SystemExit(f"{clip.name}: exit code {done.code}: {done.err.strip()}")
            encode = common.timed(
                [
                    find_ffmpeg(),
                    "-v",
                    "error",
                    "-y",
                    "-i",
                    clip,
                    "-c:v",
                    "libx264",
                    "-crf",
                    "18",
                    folder / "plain.mp4",
                ]
            )
            walls.append(done.wall)
            encodes.append(encode.wall)
            ratios.append(done.wall / encode.wall)
            work_ratios.append(done.cpu / encode.cpu)
            for stage in result["stages"]:
                shares.setdefault(stage["name"], []).append(stage["seconds"] / done.wall)
            if number == times - 1:
                again, result = common.dub(clip, other, out, work, "--length", "video")
                second = again.wall
                reused = [stage["name"] for stage in result["stages"] if stage["action"] == "reuse"]
        print(
            f"{clip.name}: {statistics.median(walls):.2f} s against {statistics.median(encodes):.2f} s: ratio "
            f"{statistics.median(ratios):.2f} (of {', '.join(f'{r:.2f}' for r in ratios)}), of "
            f"processor time {statistics.median(work_ratios):.2f}; peak "
            f"{done.peak / 1e6:.0f} MB"
        )
        parts = {name: statistics.median(values) for name, values in shares.items()}
        parts["start and end"] = max(0.0, 1 - sum(parts.values()))
        print("  share: " + ", ".join(f"{name} {part:.0%}" for name, part in parts.items()))
        print(
            f"  another speech: {second:.2f} s, {second / walls[-1]:.2f} of the first run; reused {', '.join(reused)}",
            flush=True,
        )


def help_time(times: int = 7) -> None:
    """Wall time of the help text."""
    walls = []
    for _ in range(times):
        done = common.timed([*common.LIPDUB, "--help"])
        if done.code:
            raise SystemExit(f"--help failed: {done.err.strip()}")
        walls.append(done.wall)
    print(
        f"lipdub --help: {statistics.median(walls):.3f} s (median of {times}, longest {max(walls):.3f})",
        flush=True,
    )


def memory(clip: Path, speech: Path, minutes: float, folder: Path) -> None:
    """Peak memory of a long and a short job."""
    peaks = []
    for length in (1.0, minutes):
        seconds = str(length * 60)
        video, sound = folder / f"long-{length:g}.mp4", folder / f"long-{length:g}.wav"
        common.ffmpeg("-stream_loop", "-1", "-i", clip, "-t", seconds, "-map", "0:v:0", "-c", "copy", video)
        common.ffmpeg("-stream_loop", "-1", "-i", speech, "-t", seconds, "-ac", "1", "-ar", "16000", sound)
        work = folder / f"long-{length:g}.lipdub"
        done, _result = common.dub(
            video, sound, folder / "long-out.mp4", work, "--length", "video", "--preset", "veryfast"
        )
        if done.code:
            raise SystemExit(f"{length:g} minutes: exit code {done.code}: {done.err.strip()}")
        kept = sum(p.stat().st_size for p in work.rglob("*") if p.is_file())
        peaks.append(done.peak)
        print(
            f"{length:g} min of {clip.name}: peak {done.peak / 1e6:.0f} MB, "
            f"{done.wall:.0f} s, workspace {kept / 1e6:.0f} MB",
            flush=True,
        )
        for path in (video, sound, folder / "long-out.mp4"):
            path.unlink()
    print(f"peak of {minutes:g} min is {peaks[1] / peaks[0]:.3f} of that of 1 min", flush=True)


def embedded(folder: Path) -> Path:
    """The drawn talker in the middle of a 1080p picture."""
    out = folder / "talker_1080p.mp4"
    if not out.exists():
        common.ffmpeg(
            "-i",
            common.SAMPLE / "talker.mp4",
            "-vf",
            "scale=1080:1080:flags=lanczos,pad=1920:1080:420:0:0x707478",
            "-c:v",
            "libx264",
            "-crf",
            "16",
            "-preset",
            "fast",
            "-c:a",
            "copy",
            out,
        )
    return out


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", choices=["speed", "help", "memory", []], help="speed and help by default")
    parser.add_argument("--clips", type=Path, nargs="+")
    parser.add_argument("--speech", type=Path)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10)
    options: Any = parser.parse_args(arguments)
    what = options.what or WANTED
    data = common.shared()
    with tempfile.TemporaryDirectory(prefix="lipdub-bench-") as name:
        folder = Path(name)
        clips = options.clips
        if clips is None and data is not None:
            clips = [data / "clips" / n for n in ("woman_flag_590.mp4", "woman_garden_1080p_portrait.mp4")]
        clips = clips or [common.SAMPLE / "talker.mp4", embedded(folder)]
        speech = options.speech or (data / "clips" / "speech_b_16k.wav" if data else common.SAMPLE / "speech.wav")
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
        if "help" in what:
            help_time()
        if "speed" in what:
            speed(clips, speech, common.SAMPLE / "speech.wav", options.times, folder)
        if "memory" in what:
            memory(clips[-1], speech, options.minutes, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
