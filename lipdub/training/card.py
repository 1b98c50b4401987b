"""Notes on a training, kept in the weights file, and the card (Markdown) that is made of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipdub.errors import WeightsError
from lipdub.training.config import plain_settings
from lipdub.workspace.keys import digest_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from lipdub.training.dataset import Dataset


def collect_notes(data: Dataset, options: Any, seed: int, figures: dict[str, float] | None = None) -> dict[str, Any]:
    """Collect the notes on a training for its weights file: data, options (a dataclass), seed and figures."""
    return {
        "seed": seed,
        "training": asdict(options),
        "clips": len(data),
        "speakers": sorted({clip.speaker for clip in data.clips}),
        "rendered_speakers": len({clip.speaker for clip in data.clips if clip.scene}),
        "licences": sorted({clip.licence for clip in data.clips}),
        "figures": figures or {},
    }


def settings_key(options: Any, seed: int, *networks: nn.Module | None) -> str:
    """Compute a name for the checkpoints of a training.

    Other options, another seed or other input networks are another training. Settings that do not change the result are
    left out: how often it saves and reports, and when a call of it stops. Renamed settings count by their first names,
    so checkpoints of lipdub 0.1 are still found.

    Args:
        options: a dataclass with a field `loop`.
        seed: the seed.
        networks: trained networks that this training uses.
    """
    loop = replace(options.loop, max_minutes=0.0, save_every=1, report_every=1, workers=0)
    digest = hashlib.sha256(json.dumps([plain_settings(replace(options, loop=loop)), seed]).encode())
    for network in networks:
        for value in network.state_dict().values() if network is not None else ():
            digest.update(value.cpu().numpy().tobytes())
    return digest.hexdigest()[:12]


def checkpoint_folder(
    workdir: Path | None, out: Path, name: str, options: Any, seed: int, *networks: nn.Module | None
) -> Path:
    """Give the folder of a training's checkpoints, in `workdir` or by default next to `out`."""
    home = Path(workdir) if workdir else out.with_suffix(".work")
    return home / f"{name}-{settings_key(options, seed, *networks)}"


def render_training_card(path: Path, command: str) -> str:
    """Render the card of a weights file that was trained here.

    Args:
        path: the file.
        command: the command line that made it.

    Raises:
        WeightsError: the file holds no notes on its training.
    """
    notes = _read_notes(path)
    parts = [f"# {path.stem}", "", f"Made by `{command}`."]
    if notes.get("remark"):
        parts += ["", to_sentence(str(notes["remark"]))]
    for title, training in _list_trainings(notes):
        parts += ["", f"## {title}" if title else "## Training", "", *_render_training(training)]
    return "\n".join(parts) + "\n"


def collect_adaptation_notes(
    options: Any, seed: int, seconds: float, video: Path, speech: Sequence[Path]
) -> dict[str, Any]:
    """Collect the notes on an adaptation for its weights file: options (a dataclass), seed, and what was learnt."""
    return {
        "seed": seed,
        "adaptation": asdict(options),
        "seconds": seconds,
        "video": video.name,
        "speech": [path.name for path in speech],
        "digests": [digest_file(path) for path in speech],
    }


def describe_adaptation(notes: dict[str, Any]) -> str:
    """Describe an adaptation for its user, from its notes."""
    minutes = notes["adaptation"]["minutes"]
    return f"fine-tuned on {notes['seconds']:.1f} s of {notes['video']} in {minutes:g} minutes: for this person only"


def render_adaptation_card(notes: dict[str, Any], command: str, facts: Sequence[str]) -> str:
    """Render the card of an adapted model.

    Args:
        notes: of `collect_adaptation_notes`.
        command: the command line that made it.
        facts: what it learnt from, and what it is; a line each.
    """
    rows = [
        f"made by: `{command}`, seed {notes['seed']}",
        *facts,
        "licence: that of the video; it shows a person, whose consent is needed",
        "limits: it draws this person in this light, and nobody else",
    ]
    title, settings = f"# Adapted to {notes['video']}", json.dumps(notes["adaptation"], indent=1)
    head = [title, "", to_sentence(describe_adaptation(notes)), ""]
    return "\n".join([*head, *(f"- {row}" for row in rows), "", "```json", settings, "```", ""])


def render_facts_card(path: Path, command: str, facts: Mapping[str, str]) -> str:
    """Render the card of a weights file from facts, name and text each."""
    rows = [f"- {name}: {text}" for name, text in facts.items()]
    return "\n".join([f"# {path.stem}", "", f"Made by `{command}`.", "", "## Training", "", *rows]) + "\n"


def to_sentence(remark: str) -> str:
    """Begin a remark with a capital and end it with a full stop."""
    return f"{remark[:1].upper()}{remark[1:]}."


def _render_training(notes: dict[str, Any]) -> list[str]:
    speakers = notes.get("speakers", [])
    names = ", ".join(speakers) or "unknown"
    plural = "" if len(speakers) == 1 else "s"
    licences = ", ".join(licence for licence in notes.get("licences", []) if licence) or "not stated"
    rows = [
        f"- data: {notes.get('clips', 'unknown')} clips of {len(speakers)} speaker{plural} ({names})",
        f"- licence of the data: {licences}",
        f"- seed: {notes.get('seed', 'unknown')}",
    ]
    rows += [f"- {name}: {value:g}" for name, value in notes.get("figures", {}).items()]
    if len(speakers) < 2:
        rows.append("- limits: one speaker is no basis for other people")
    return [*rows, "", "```json", json.dumps(notes["training"], indent=1), "```"]


def _list_trainings(notes: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """List the notes of each training of a file, with its name where there are several."""
    if "training" in notes:
        return [("", notes)]
    return [(name, part) for name, part in notes.items() if isinstance(part, dict) and "training" in part]


def _read_notes(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            metadata = file.metadata() or {}
        return dict(json.loads(next(iter(metadata.values())))["notes"])
    except (OSError, SafetensorError, StopIteration, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} does not tell how it was trained: {error}") from error
