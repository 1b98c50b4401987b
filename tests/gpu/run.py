"""What a machine with a GPU is asked: parity, speed, and the training of the base networks.

    python -m tests.gpu [parity] [recipes] [steps] [base] [style] [--device cuda] [--minutes PART=M ...] [--pack FILE]
        [--out FOLDER] [--set NAME.KEY=VALUE ...] [--tiny]

parity   every network of lipdub/networks in fp32, fp16 and bf16 against the processor (`tests.gpu.parity`)
recipes  frames a second of the recipes with networks, and how much faster than the processor (`tests.gpu.recipes`)
steps    steps a second of the trainings (`tests.gpu.steps`)
base     trains the base networks on a file of `python -m tests.gpu.pack`, larger than on a processor (`tests.gpu.base`)
style    trains the networks of stylelipsync on the same file; only where it is named (4 minutes)

The first four take less than 8 minutes; each begins nothing new when its own time is over. Nothing is downloaded. `make
setup` on that machine installs all that is needed; with fewer packages, the parts that miss some are left out and say
what they miss. The results are a table and a JSON file in --out (by default the folder that OUT names, else build/gpu).
`--device cpu --tiny` runs everything in small, to test the parts themselves.

Exit codes: 0 done; 2 usage; 5 no such device, or parts were left out; 6 a bound was exceeded, or a part failed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import tempfile
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.gpu.parts import Clock, Part, Report, Setting, format_table, list_missing

if TYPE_CHECKING:
    from collections.abc import Sequence

_NETWORKS = ("torch", "torchvision", "numpy", "scipy", "cv2", "safetensors", "pytest")
_TRAINING = (*_NETWORKS, "accelerate", "filelock")
_DUBS = (*_NETWORKS, "mediapipe", "av", "ffmpeg", "imageio_ffmpeg", "librosa", "soxr", "zarr", "filelock", "facexlib")
#: Their minutes by default leave the eighth to starting.
PARTS = (
    Part("parity", 1.5, _NETWORKS),
    Part("recipes", 1.5, _DUBS),
    Part("steps", 1.0, _TRAINING),
    Part("base", 3.0, _TRAINING),
)
#: Parts that run only where they are asked for by name.
MORE_PARTS = (Part("style", 4.0, _TRAINING),)
DONE, INCOMPLETE, FAULT = 0, 5, 6


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parse(arguments)
    if missing := list_missing(("torch", "numpy", "pytest")):
        print(f"{', '.join(missing)}: not installed for {sys.executable}. Run make setup, or take another Python.")
        return INCOMPLETE
    if asked.device == "cuda" and not _has_cuda():
        print("PyTorch finds no CUDA device. --device cpu --tiny tests the parts themselves.")
        return INCOMPLETE
    asked.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lipdub-gpu-") as name:
        setting = Setting(asked.device, asked.tiny, asked.out, Path(name), asked.pack, tuple(asked.set))
        parts = [part for part in (*PARTS, *MORE_PARTS) if part.name in asked.parts]
        return run_parts(parts, setting, asked.minutes)


def run_parts(parts: Sequence[Part], setting: Setting, minutes: dict[str, float]) -> int:
    """Runs the parts in order, and writes and prints what came of each. Returns the exit code.

    What one takes too long the next have less, down to half of their time.
    """
    result: dict[str, Any] = {"machine": describe_machine(setting.device), "parts": {}}
    print(json.dumps(result["machine"]), flush=True)
    code, late = DONE, 0.0
    for part in parts:
        own = minutes.get(part.name, part.minutes)
        clock = Clock(max(own - late, own / 2))
        missing = list_missing(part.packages)
        report = (
            Report(notes=[f"left out: {', '.join(missing)} not installed"]) if missing else _try(part, setting, clock)
        )
        seconds = 60 * clock.minutes - clock.seconds_left
        late = max(late + seconds / 60 - own, 0.0)
        result["parts"][part.name] = {"seconds": seconds, **asdict(report)}
        (setting.out / "gpu.json").write_text(json.dumps(_to_json(result), indent=1, allow_nan=False))
        print(f"\n{part.name}, {seconds:.0f} s\n{format_table(report.rows)}")
        for title, lines in (("FAULT", report.faults), ("note", report.notes)):
            print("".join(f"  {title}: {line}\n" for line in lines), end="", flush=True)
        if report.faults:
            code = FAULT
        elif report.notes and code == DONE:
            code = INCOMPLETE
    return code


def describe_machine(device: str) -> dict[str, Any]:
    """What the figures were measured on."""
    import torch

    is_cuda = device == "cuda"
    return {
        "device": torch.cuda.get_device_name() if is_cuda else device,
        "memory_gib": torch.cuda.get_device_properties(0).total_memory / 2**30 if is_cuda else None,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda if is_cuda else None,
    }


def _try(part: Part, setting: Setting, clock: Clock) -> Report:
    """Run a part. What it raises is a fault, and the next part runs all the same."""
    try:
        return part.run(setting, clock)
    except Exception as error:
        traceback.print_exc()
        return Report(faults=[f"{type(error).__name__}: {error}"])


def _to_json(value: Any) -> Any:
    """Plain values in which numbers that JSON does not have are text."""
    if isinstance(value, dict):
        return {key: _to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_json(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _has_cuda() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [part.name for part in (*PARTS, *MORE_PARTS)]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(names)}; the first four by default")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--minutes", nargs="+", default=[], metavar="PART=M", help="time of a part")
    parser.add_argument("--pack", type=Path, help="a file of tests.gpu.pack")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT") or "build/gpu"))
    parser.add_argument("--set", action="append", default=[], metavar="NAME.KEY=VALUE", help="a setting of a training")
    parser.add_argument("--tiny", action="store_true", help="small networks, a few steps")
    asked = parser.parse_args(arguments)
    asked.parts = asked.parts or [part.name for part in PARTS]
    try:
        pairs = (text.split("=") for text in asked.minutes)
        asked.minutes = {name: float(number) for name, number in pairs}
    except ValueError:
        parser.error("--minutes takes PART=M, such as base=4")
    if wrong := sorted({*asked.parts, *asked.minutes} - set(names)):
        parser.error(f"there is no part {wrong[0]}: take {', '.join(names)}")
    if asked.pack is not None and not asked.pack.is_file():
        parser.error(f"there is no file {asked.pack}")
    return asked
