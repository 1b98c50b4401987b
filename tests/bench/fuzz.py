"""Feeds damaged and oddly named files to the commands, and reports everything that does not end well.

    python -m tests.bench.fuzz --seed N [--count 200] [--first 0] [--seconds 60] [--folder FOLDER] [--keep]

A case is a number: the file, the damage, the name and the command follow from it and the seed. A case ends well if the
command ends in time by one of the exit codes of the table, says one line of error where it fails and leaves no result
then, and leaves a result that decodes where it succeeds. The inputs must stay as they were. ``--keep`` keeps the
folders of the cases that do not end well.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.bench import common, mangle

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SECONDS = 60.0
ADDRESS_SPACE = 16 << 30  # bytes; a file may claim any size
GOOD_CODES = (0, 2, 3, 4, 5)
GOOD_VIDEO, GOOD_SOUND = b"good.mp4", b"good.wav"
TALKER, SPEECH = common.SAMPLE / "talker.mp4", common.SAMPLE / "speech.wav"

#: Small real files of many formats: the name's ending, and how ffmpeg makes them of the sample's first second.
VIDEOS = {
    "h264.mp4": "-c:v libx264 -preset ultrafast -c:a aac",
    "frag.mp4": "-c:v libx264 -preset ultrafast -c:a aac -movflags frag_keyframe+empty_moov",
    "fast.mp4": "-c:v libx264 -bf 2 -g 5 -c:a aac -movflags faststart",
    "mpeg4.mp4": "-c:v mpeg4 -q:v 3 -c:a aac",
    "prores.mov": "-c:v prores_ks -profile:v 0 -c:a pcm_s16le",
    "png.mov": "-c:v png -c:a pcm_s16le -r 8",
    "h264.mkv": "-c:v libx264 -preset ultrafast -c:a libopus",
    "ffv1.mkv": "-c:v ffv1 -c:a flac",
    "vp8.webm": "-c:v libvpx -deadline realtime -b:v 400k -c:a libopus",
    "mjpeg.avi": "-c:v mjpeg -q:v 4 -c:a pcm_s16le",
    "mpeg4.avi": "-c:v mpeg4 -q:v 3 -c:a mp3",
    "h264.ts": "-c:v libx264 -preset ultrafast -c:a aac",
    "mpeg2.mpg": "-c:v mpeg2video -q:v 3 -c:a mp2",
    "h264.flv": "-c:v libx264 -preset ultrafast -c:a aac -ar 44100",
    "talk.gif": "-vf scale=160:160,fps=8 -an",
    "still.png": "-frames:v 1 -an",
    "still.jpg": "-frames:v 1 -an",
    "still.webp": "-frames:v 1 -an",
}
SOUNDS = {
    "pcm.wav": "-c:a pcm_s16le",
    "float.wav": "-c:a pcm_f32le -ac 2",
    "pcm24.wav": "-c:a pcm_s24le",
    "voice.mp3": "-c:a libmp3lame",
    "voice.flac": "-c:a flac",
    "voice.ogg": "-c:a libvorbis",
    "voice.opus": "-c:a libopus",
    "voice.m4a": "-c:a aac",
}
#: What a name may begin with instead of the plain one. Bytes, for a name need not be text.
ODD_NAMES = (
    b"-dash",
    b"two  spaces ",
    b"caf\xe9",
    "日本語の題名".encode(),
    "🎬".encode(),
    b"new\nline",
    b"quote'\"`",
    b"100%d %s",
    b"glob[ab]*?",
    b"semi;colon&amp|",
    b"a:b",
    b"back\\slash",
    b"$HOME~",
    b".hidden",
    b"..",
    b"x" * 200,
    b"tab\t\x07",
    "e\u0301\u202e".encode(),
)


@dataclass(frozen=True)
class Case:
    """One try. Its ``repr`` is enough to make it again.

    Attributes:
        verb: The command.
        kind: The file that is damaged, of `VIDEOS` or `SOUNDS`.
        way: Name of the function of `mangle` that damages it.
        seed: Of the damage.
        name: What the damaged file is called.
        out: What the result is called.
    """

    verb: str
    kind: str
    way: str
    seed: str
    name: bytes
    out: bytes

    @property
    def words(self) -> list[bytes]:
        """The words after ``lipdub``, to be called in the folder with the files."""
        given, out = (b"./" + name if name.startswith(b"-") else name for name in (self.name, self.out))
        if self.verb == "run":
            inputs = [GOOD_VIDEO, given] if self.kind in SOUNDS else [given, GOOD_SOUND]
            return [b"run", *inputs, b"-o", out]
        if self.verb == "score":
            return [b"score", given, b"--speech", GOOD_SOUND, b"-o", b"scored"]
        return [b"lips", given, b"-o", out] if self.verb == "lips" else [b"inspect", given]

    @property
    def makes_file(self) -> bool:
        """Whether a success makes the file `out`."""
        return self.verb in ("run", "lips") and self.out != self.name


class End(NamedTuple):
    """How a command ended: its exit code, None where it had to be killed, and its line of error."""

    code: int | None
    error: str


def make_files(folder: Path, names: Iterable[str] = (*VIDEOS, *SOUNDS)) -> dict[str, bytes]:
    """Makes small files of these names; formats that this ffmpeg cannot write are left out."""
    files = {}
    for name in names:
        options = (VIDEOS | SOUNDS)[name]
        sources = ["-t", "1", "-i", TALKER] if name in VIDEOS else ["-t", "1", "-i", SPEECH]
        size = [] if name in SOUNDS or "-vf" in options else ["-vf", "scale=192:192"]
        command = ["ffmpeg", "-v", "error", "-y", "-bitexact", *sources, *size, *options.split(), folder / name]
        if subprocess.run([str(word) for word in command], capture_output=True).returncode == 0:
            files[name] = (folder / name).read_bytes()
    return files


def draw_case(seed: int, number: int, kinds: Sequence[str]) -> Case:
    """Draws a case of files of these kinds."""
    draw = random.Random(f"{seed}/{number}")
    verb = draw.choice(("inspect", "run", "run", "score", "lips"))
    is_speech = verb == "lips" or (verb == "run" and draw.random() < 0.4)
    kind = draw.choice([name for name in kinds if (name in SOUNDS) == is_speech])
    way = draw.choice(mangle.WAYS)
    suffix = os.fsencode(Path(kind).suffix)
    if draw.random() < 0.1:
        suffix = draw.choice((b"", b".MP4", b".wav", b".mkv", b".txt", b".png"))
    is_odd = way is mangle.nothing or draw.random() < 0.2
    name = (draw.choice(ODD_NAMES) if is_odd else b"in") + suffix
    end = b".csv" if verb == "lips" else draw.choice((b".mp4", b".mov", b".mkv", b".mp4"))
    out = (draw.choice(ODD_NAMES) if draw.random() < 0.1 else b"out") + end
    return Case(verb, kind, way.__name__, f"{seed}/{number}", name, out)


def write_inputs(case: Case, files: Mapping[str, bytes], folder: Path) -> None:
    """Writes the damaged file of a case and two good ones."""
    way = getattr(mangle, case.way)
    content = bytes(way(bytearray(files[case.kind]), random.Random(case.seed)))
    for name, data in (
        (case.name, content),
        (GOOD_VIDEO, files["h264.mp4"]),
        (GOOD_SOUND, files["pcm.wav"]),
    ):
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:  # noqa: PTH123, PTH118 - the name is bytes
            file.write(data)


def find_faults(case: Case, folder: Path, seconds: float) -> tuple[End, list[str]]:
    """Runs a case. Returns how it ended and what of that is not well."""
    before = _read_inputs(case, folder)
    code, said = _call(case.words, folder, seconds)
    if code is None:
        return End(None, ""), [f"still at work after {seconds:g} s"]
    faults = []
    if code not in GOOD_CODES:
        faults.append(f"exit code {code}")
    if "Traceback" in said or "a fault in lipdub" in said:
        faults.append("a fault of lipdub's own")
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    if code > 0 and len(errors) != 1:
        faults.append(f"{len(errors)} lines of error")
    if before != _read_inputs(case, folder):
        faults.append("an input was changed")
    faults += _find_result_faults(case, folder, code)
    if faults:
        faults.append("said: " + " / ".join(said.strip().splitlines()[-3:]))
    return End(code, errors[-1] if errors else ""), faults


def _find_result_faults(case: Case, folder: Path, code: int) -> list[str]:
    root = os.fsencode(folder)
    names = set(os.listdir(root))  # noqa: PTH208 - names are bytes
    faults = [f"left {name!r}" for name in names if b".partial" in name or b"lipdub-part" in name]
    if not case.makes_file:
        return faults
    if code != 0 and case.out in names:
        faults.append("left a result though it failed")
    if code == 0 and case.out not in names:
        faults.append("made no result")
    if code == 0 and case.verb == "run" and case.out in names:
        place = b"file:" + os.path.join(root, case.out)  # noqa: PTH118 - the name is bytes
        check = [b"ffmpeg", b"-v", b"error", b"-xerror", b"-i", place, b"-f", b"null", b"-"]
        done = subprocess.run(check, capture_output=True)
        if done.returncode:
            faults.append("the result does not decode: " + done.stderr.decode(errors="replace").strip()[-200:])
    return faults


def _read_inputs(case: Case, folder: Path) -> list[bytes]:
    contents = []
    for name in (case.name, GOOD_VIDEO, GOOD_SOUND):
        with open(os.path.join(os.fsencode(folder), name), "rb") as file:  # noqa: PTH123, PTH118 - the name is bytes
            contents.append(file.read())
    return contents


def _call(words: list[bytes], folder: Path, seconds: float) -> tuple[int | None, str]:
    """Runs lipdub in a folder. Returns its exit code, None if it was killed for its time, and what it wrote."""
    environment = os.environ | {"PYTHONPATH": str(common.ROOT), "LIPDUB_WEIGHTS": str(folder / "no-weights")}
    process = subprocess.Popen(
        [*map(os.fsencode, common.LIPDUB), *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_limit_memory,  # noqa: PLW1509 - this process has no threads
    )
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None, ""
    return process.returncode, said.decode(errors="replace")


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="that a command may take")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--keep", action="store_true", help="keep the folders of cases that do not end well")
    options = parser.parse_args(arguments)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="lipdub-fuzz-"))
    (folder / "files").mkdir(parents=True, exist_ok=True)
    files = make_files(folder / "files")
    codes: Counter[str] = Counter()
    bad = 0
    for number in range(options.first, options.first + options.count):
        place = folder / str(number)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        case = draw_case(options.seed, number, list(files))
        write_inputs(case, files, place)
        start = time.monotonic()
        end, faults = find_faults(case, place, options.seconds)
        codes["killed" if end.code is None else str(end.code)] += 1
        bad += bool(faults)
        word = "BAD " if faults else "good"
        print(f"{word} {number} ({time.monotonic() - start:.1f} s, code {end.code}) {case}", flush=True)
        for fault in faults or filter(None, [end.error]):
            print(f"     {fault}", flush=True)
        if not faults or not options.keep:
            shutil.rmtree(place, ignore_errors=True)
    print(f"{options.count} cases, {bad} bad; exit codes: {dict(codes)}; seed {options.seed}, files {len(files)}")
    if options.folder is None and not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
