"""Tells of made-up files what their results lack, by lipdub's note and by ffprobe.

    python -m tests.bench.carried [--folder FOLDER] [--only NAME] [--results .mp4 .mov .mkv .webm .avi]

The table has a row for each file and container: the file, the result, what the note says, and what ffprobe misses
unsaid or finds untrue. The program ends with 1 if there is anything of that.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from lipdub.media.comparison import compare_files
from tests.media.carried import RESULTS, check, list_losses, make_result
from tests.media.rich_files import MAKERS
from tests.sounds import write_tone


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="Keep the files here.")
    parser.add_argument("--only", default="", help="Only the files with this in their names.")
    parser.add_argument("--results", nargs="+", default=list(RESULTS), help="Endings of the results.")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or Path(scratch)
        folder.mkdir(exist_ok=True, parents=True)
        speech = write_tone(folder / "speech.wav")
        wrong = 0
        rows = 0
        slowest = 0.0
        for name, make in MAKERS.items():
            if args.only not in name:
                continue
            source = make(folder)
            for ending in args.results:
                out = folder / f"{source.stem}.dubbed{ending}"
                notes = make_result(source, out, speech)
                began = time.perf_counter()
                comparison = compare_files(source, out)
                slowest = max(slowest, time.perf_counter() - began)
                losses = list_losses(source, out)
                faults = check(losses, [*comparison.lost, *comparison.changed])
                faults += [f"kept back: {note}" for note in comparison.notes if note not in notes]
                print(f"{source.name} -> {ending}")
                print(f"    note     {'; '.join(notes) or '-'}")
                print(f"    ffprobe  {', '.join(loss.what for loss in losses) or '-'}")
                for fault in faults:
                    print(f"    WRONG    {fault}")
                wrong += len(faults)
                rows += 1
    print(f"{rows} results, {wrong} wrong; the slowest comparison took {1000 * slowest:.0f} ms")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
