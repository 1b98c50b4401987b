"""`lipdub train lip-motion`: from synthesisers (and GRID, if given) to the weights of speech -> lip motion."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipdub.speech import lips as speech_lips
from lipdub.speech.lips import LipModel
from lipdub.training import grid as grid_corpus

if TYPE_CHECKING:
    import torch

held_out = grid_corpus.held_out
"""Clips of GRID never trained on (a fixed rule; see `training.grid.held_out`)."""


@dataclass(frozen=True)
class LipMotionTraining:
    """What decides the result besides the seed. utterances: how many are spoken by the synthesisers; steps:
    of the phone network's optimiser; minutes: end of its training by wall time (0: by steps alone, which is
    reproducible); channels: width of the network; aligner: share of the steps that a first network gets,
    which hears made speech only and then finds the phones' times in GRID's sentences; real: share of GRID's
    sound in the batches after that."""

    utterances: int = 6000
    steps: int = 11000
    minutes: float = 0.0
    batch: int = 24
    channels: int = 192
    aligner: float = 0.14
    real: float = 0.12


def train(
    out: Path,
    *,
    grid: Path | None = None,
    minutes: float = 0.0,
    steps: int | None = None,
    seed: int = 0,
    workdir: Path | None = None,
    threads: int = 2,
    device: str = "cpu",
    utterances: int | None = None,
    options: LipMotionTraining | None = None,
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Train speech -> lip motion and write its weights.

    out: the safetensors file to write (replaced whole at the end); grid: folder of the GRID clips, without
    which the lips are the phonetic table's; minutes: at most so long for the phone network (0: all steps);
    workdir: where made speech, measured lips and checkpoints are kept, by default beside `out`: a stopped run
    called again goes on from there; device: torch's name of it; progress: called with one line of text now
    and then. Returns `out`. EnvironmentFailure when no synthesiser is installed.
    """
    import torch

    from lipdub.training import synthetic_speech
    from lipdub.training.phone_network import PhoneNetworkSize
    from lipdub.training.phone_training import PhoneTrainingOptions, Speech, frames_right, train_phones

    options = options or LipMotionTraining()
    options = replace(
        options,
        **{k: v for k, v in (("steps", steps), ("utterances", utterances)) if v is not None},
        minutes=minutes or options.minutes,
    )
    say = progress or (lambda text: None)
    out = Path(out)
    workdir = Path(workdir) if workdir else out.with_suffix(".work")
    workdir.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(max(threads, 1))

    made = workdir / f"speech-{options.utterances}-{seed}.npz"
    if not made.exists():
        power, labels, starts = synthetic_speech.corpus(
            options.utterances, seed, workers=max(threads, 1), progress=say
        )
        _keep(made, power=power, labels=labels, starts=starts)
    with np.load(made) as kept:
        power, labels, starts = kept["power"], kept["labels"], kept["starts"]
    cut = max(1, int((len(starts) - 1) * 0.98))

    size = PhoneNetworkSize(channels=options.channels)
    plan = PhoneTrainingOptions(steps=options.steps, minutes=options.minutes, batch=options.batch, size=size)
    sources = [(Speech(power[: starts[cut]], labels[: starts[cut]]), 1.0)]
    name = f"{seed}-{options.utterances}-{options.steps}-{options.channels}"
    if grid is not None:
        first = train_phones(
            sources,
            workdir / f"aligner-{name}",
            replace(plan, steps=int(options.steps * options.aligner)),
            seed=seed,
            device=device,
            progress=say,
        ).cpu()
        sources.append(
            (Speech(*grid_speech(_arrays(first), Path(grid), workdir, progress=say)), options.real)
        )
    network = train_phones(
        sources, workdir / f"phones-{name}", plan, seed=seed, device=device, progress=say
    ).cpu()
    right = frames_right(network, power, labels, starts[cut:]) if cut < len(starts) - 1 else float("nan")
    say(f"phones: {100 * right:.1f} % of frames right on synthetic speech kept apart")

    phones = _arrays(network)
    model = LipModel.phonetic()
    if grid is not None:
        model = fit_on_grid(phones, Path(grid), workdir, _windows(labels), seed=seed, progress=say)
    figures = {"frames_right_synthetic": round(right, 4)}
    return export(
        out,
        phones,
        model,
        {"seed": seed, "training": asdict(options), "figures": figures, "grid": grid is not None},
    )


def _arrays(network: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy() for name, value in network.state_dict().items()}


def grid_speech(
    phones: dict[str, np.ndarray], grid: Path, workdir: Path, *, progress: Callable[[str], None] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """GRID's training clips as training data of the phone network: (dB float16 (frames, MELS), labels uint8
    (frames,)).

    phones: the network that finds the phones' times inside the known words.
    """
    from lipdub.speech.features import decibel, mel_power
    from lipdub.speech.phones import INDEX, PhoneNetwork

    hearing = PhoneNetwork(phones)
    words = grid_corpus.clip_words(grid)
    apart = set(held_out(words))
    powers, labels = [], []
    for sentence in grid_corpus.load(
        grid, workdir, [n for n in sorted(words) if n not in apart], progress=progress
    ):
        audio = sentence.audio * (0.1 / (np.sqrt(np.mean(sentence.audio**2)) + 1e-6))
        mark = np.full(grid_corpus.FRAMES * 4, INDEX["sil"], np.uint8)
        heard = speech_lips.phone_posteriors(audio, hearing)[: len(mark)]
        for start, end, phone in grid_corpus.align(sentence.words, heard):
            mark[round(start * 100) : round(end * 100)] = INDEX[phone]
        powers.append(decibel(mel_power(audio)[: len(mark)]).astype(np.float16))
        labels.append(mark)
    if progress:
        progress(f"phones: times found in {len(labels)} clips of GRID")
    return np.concatenate(powers), np.concatenate(labels)


def fit_on_grid(
    phones: dict[str, np.ndarray],
    grid: Path,
    workdir: Path,
    labels: np.ndarray,
    *,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> LipModel:
    """The lip model fitted on GRID's training clips with phones as this network hears them. labels: uint8 (n,
    frames) phones of other speech, on which what GRID's talker does is held back (`lip_fit.fit_context`)."""
    from lipdub.speech.phones import INDEX, PHONES, PhoneNetwork
    from lipdub.training.lip_fit import fit, fit_context

    heard_by = PhoneNetwork(
        {
            name: value.astype(np.float16).astype(np.float32) if value.dtype.kind == "f" else value
            for name, value in phones.items()
        }
    )
    words = grid_corpus.clip_words(grid)
    apart = set(held_out(words))
    posteriors, lips = [], []
    for sentence in grid_corpus.load(
        grid, workdir, [n for n in sorted(words) if n not in apart], progress=progress
    ):
        p = speech_lips.phone_posteriors(sentence.audio, heard_by)[: grid_corpus.FRAMES * 4]
        known = np.zeros_like(
            p
        )  # the phones really said, beside those heard: errors of the network are not to be learned
        for start, end, phone in grid_corpus.align(sentence.words, p):
            known[round(start * 100) : round(end * 100), INDEX[phone]] = 1.0
        own = grid_corpus.mouth(sentence.landmarks)
        posteriors += [p, known]
        lips += [own, own]
    if progress:
        progress(f"lips: fitted on {len(lips) // 2} clips of GRID, {len(PHONES)} phones")
    seen = np.stack(posteriors), np.stack(lips)
    return fit_context(*seen, labels, fit(*seen, seed=seed, progress=progress), seed=seed, progress=progress)


def _windows(labels: np.ndarray, count: int = 1500, frames: int = 400) -> np.ndarray:
    """Pieces of the speech's phones, evenly over all of it: uint8 (count or fewer, frames)."""
    frames = min(frames, len(labels))
    starts = np.unique(np.linspace(0, len(labels) - frames, count).astype(int))
    return labels[starts[:, None] + np.arange(frames)]


def export(out: Path, phones: dict[str, np.ndarray], model: LipModel, notes: dict) -> Path:
    """Write a weights file (float16 network, float32 lip numbers); whole or not at all. Returns its path."""
    from safetensors.numpy import save_file

    tensors = {
        f"phones.{name}": value.astype(np.float16) if value.dtype.kind == "f" else value
        for name, value in phones.items()
    }
    for name in ("targets", "dominance", "reach", "ahead"):
        tensors[f"lips.{name}"] = np.ascontiguousarray(getattr(model, name), np.float32)
    for i, layer in enumerate(model.context):
        tensors[f"lips.context.{i}"] = np.ascontiguousarray(layer, np.float16)
    lips = {
        field.name: value for field in fields(model) if isinstance(value := getattr(model, field.name), float)
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(out.name + ".tmp")
    save_file(
        {k: np.ascontiguousarray(v) for k, v in tensors.items()},
        str(beside),
        {"format": speech_lips.FORMAT, "lips": json.dumps(lips), "notes": json.dumps(notes)},
    )
    os.replace(beside, out)
    return out


def notes(weights: Path) -> str:
    """What a weights file tells of its training: JSON text."""
    from safetensors import safe_open

    with safe_open(str(weights), "numpy") as file:
        return (file.metadata() or {}).get("notes", "{}")


def _keep(path: Path, **arrays: np.ndarray) -> None:
    beside = path.with_suffix(".tmp.npz")
    np.savez(beside, **arrays)
    os.replace(beside, path)
