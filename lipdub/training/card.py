"""Cards of trained weights, as Markdown: what a file was trained on and how, read from the file itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lipdub.errors import WeightsError


def card(path: Path, command: str) -> str:
    """The card of a file that a training here wrote. command: as it was called. WeightsError when the file tells nothing."""
    told = _told(path)
    parts = [f"# {path.stem}", "", f"Made by `{command}`."]
    if told.get("remark"):
        parts += ["", str(told["remark"]).capitalize() + "."]
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
