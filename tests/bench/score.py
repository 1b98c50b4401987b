"""What `lipdub score` costs: time against decoding alone, and memory against length.

    python -m tests.bench.score [--video FILE] [--seconds N ...] [--source]

The video (or the sample) is repeated to each of the lengths. Printed for each: seconds of decoding all of it, of the
score (one process, no report), of its face mesh and other networks in that, the score without these as a multiple of
the decoding, and peak memory.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import common

CODE = (
    "import sys, json; from pathlib import Path; from lipdub.scoring.options import ScoreOptions;"
    "from lipdub.scoring.score import score_with_report;"
    "source = Path(sys.argv[2]) if len(sys.argv) > 2 else None;"
    "print(json.dumps(score_with_report(Path(sys.argv[1]), ScoreOptions(source=source)).score.to_json()['seconds']))"
)


def decoding(path: Path) -> float:
    """Seconds of decoding every frame."""
    from lipdub.media.read import read_frames

    began = time.perf_counter()
    for _ in read_frames(path):
        pass
    return time.perf_counter() - began


def main(arguments: list[str] | None = None) -> int:
    import json

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path, default=common.SAMPLE / "talker.mp4")
    parser.add_argument("--speech", type=Path, default=common.SAMPLE / "speech.wav")
    parser.add_argument("--seconds", type=float, nargs="+", default=[10, 60])
    parser.add_argument("--source", action="store_true", help="held against itself as its source too")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="lipdub-score-") as name:
        for seconds in options.seconds:
            long = Path(name) / f"{seconds:g}.mp4"
            common.ffmpeg(
                "-stream_loop",
                "-1",
                "-i",
                options.video,
                "-stream_loop",
                "-1",
                "-i",
                options.speech,
                "-map",
                "0:v:0",
                "-map",
                "1:a:0",
                "-t",
                f"{seconds:g}",
                "-c:v",
                "copy",
                "-c:a",
                "aac",
                long,
            )
            alone = min(decoding(long) for _ in range(2))
            more = [long] if options.source else []
            done = common.timed([sys.executable, "-c", CODE, long, *more], folder=common.ROOT)
            if done.code:
                print(done.err, file=sys.stderr)
                return 1
            spent = json.loads(done.out.strip().splitlines()[-1])
            networks = spent["networks"]
            print(
                f"{seconds:g} s: decoding {alone:.1f} s, score {spent['all']:.1f} s, of it networks {networks:.1f} s; "
                "without them "
                f"{(spent['all'] - networks) / alone:.2f} times the decoding; peak memory {done.peak / 1e6:.0f} MB",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
