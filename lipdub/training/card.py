"""What is told of trained weights: notes within the file, and its card, as Markdown, made of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipdub.errors import WeightsError

if TYPE_CHECKING:
    from torch import nn

    from lipdub.training.dataset import Dataset


def collect_notes(data: Dataset, options: Any, seed: int, figures: dict[str, float] | None = None) -> dict[str, Any]:
    """What a file is to tell of a training with these options (a dataclass) on this data."""
    return {
        "seed": seed,
        "training": asdict(options),
        "clips": len(data),
        "speakers": sorted({clip.speaker for clip in data.clips}),
        "licences": sorted({clip.licence for clip in data.clips}),
        "figures": figures or {},
    }


def settings_key(options: Any, seed: int, *networks: nn.Module | None) -> str:
    """A name for the checkpoints of a training: other options (a dataclass with a field ``loop``), another seed or other networks to
    learn by are another training. How often it is saved or told of, and when a call of it stops, make no difference.
    """
    loop = replace(options.loop, max_minutes=0.0, save_every=1, report_every=1, workers=0)
    told = hashlib.sha256(json.dumps([asdict(replace(options, loop=loop)), seed]).encode())
    for network in networks:
        for value in network.state_dict().values() if network is not None else ():
            told.update(value.cpu().numpy().tobytes())
    return told.hexdigest()[:12]


def checkpoint_folder(
    workdir: Path | None, out: Path, name: str, options: Any, seed: int, *networks: nn.Module | None
) -> Path:
    """Where a training keeps its checkpoints: in `workdir`, by default beside `out`, by its name and `settings_key`."""
    home = Path(workdir) if workdir else out.with_suffix(".work")
    return home / f"{name}-{settings_key(options, seed, *networks)}"


def render_training_card(path: Path, command: str) -> str:
    """The card of a file that a training here wrote. command: as it was called. WeightsError when the file tells nothing."""
    told = _told(path)
    parts = [f"# {path.stem}", "", f"Made by `{command}`."]
    if told.get("remark"):
        parts += ["", to_sentence(str(told["remark"]))]
    for title, notes in _trainings(told):
        parts += ["", f"## {title}" if title else "## Training", ""]
        speakers = notes.get("speakers", [])
        parts += [
            f"- data: {notes.get('clips', 'unknown')} clips of {len(speakers)} "
            f"speaker{'' if len(speakers) == 1 else 's'} ({', '.join(speakers) or 'unknown'})",
            f"- licence of the data: {', '.join(licence for licence in notes.get('licences', []) if licence) or 'not stated'}",
            f"- seed: {notes.get('seed', 'unknown')}",
        ]
        parts += [f"- {name}: {value:g}" for name, value in notes.get("figures", {}).items()]
        if len(speakers) < 2:
            parts += ["- limits: one speaker is no basis for other people"]
        parts += ["", "```json", json.dumps(notes["training"], indent=1), "```"]
    return "\n".join(parts) + "\n"


def to_sentence(remark: str) -> str:
    """A remark with a capital and a full stop."""
    return f"{remark[:1].upper()}{remark[1:]}."


def _trainings(told: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The notes of each training of a file, with its name where it holds several."""
    if "training" in told:
        return [("", told)]
    return [(name, notes) for name, notes in told.items() if isinstance(notes, dict) and "training" in notes]


def _told(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            metadata = file.metadata() or {}
        return dict(json.loads(next(iter(metadata.values())))["notes"])
    except (OSError, SafetensorError, StopIteration, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} does not tell how it was trained: {error}") from error
