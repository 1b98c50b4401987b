"""`lipdub train lip-motion`: from synthesisers (and GRID, if given) to the weights of speech -> lip motion."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipdub.speech import phone_recognizer
from lipdub.speech.coarticulation import LipModel
from lipdub.speech.phone_recognizer import WEIGHTS_FORMAT
from lipdub.training import grid as grid_corpus

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

held_out = grid_corpus.held_out_clips
"""Clips of GRID never trained on (a fixed rule; see `training.grid.held_out`)."""


@dataclass(frozen=True)
class LipMotionOptions:
    """What decides the result besides the seed. windows: how many stretches of 8 s the synthesisers speak; steps:
    of the phone network's optimiser; minutes: end of its training by wall time (0: by steps alone, which is
    reproducible); channels: width of the network; aligner: share of the steps that a first network gets,
    which hears made speech only and then finds the phones' times in GRID's sentences; real: share of GRID's
    sound in the batches after that; real_windows: how many stretches of it.
    """

    windows: int = 6000
    steps: int = 6000
    minutes: float = 0.0
    batch: int = 24
    channels: int = 192
    aligner: float = 0.2
    real: float = 0.12
    real_windows: int = 800


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
    windows: int | None = None,
    options: LipMotionOptions | None = None,
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
    from lipdub.training.phone_training import PhoneTrainingOptions, SpeechWindows, frame_accuracy, train_phone_network

    options = options or LipMotionOptions()
    options = replace(
        options,
        **{k: v for k, v in (("steps", steps), ("windows", windows)) if v is not None},
        minutes=minutes or options.minutes,
    )
    say = progress or (lambda text: None)
    out = Path(out)
    workdir = Path(workdir) if workdir else out.with_suffix(".work")
    workdir.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(max(threads, 1))

    made = workdir / f"speech-{options.windows}-{seed}.npz"
    if not made.exists():
        _keep(made, synthetic_speech.synthesize_corpus(options.windows, seed, workers=max(threads, 1), progress=say))
    speech = SpeechWindows(*_kept(made))
    cut = max(1, int(len(speech) * 0.98))

    size = PhoneNetworkSize(channels=options.channels)
    plan = PhoneTrainingOptions(steps=options.steps, minutes=options.minutes, batch=options.batch, size=size)
    sources = [(speech.part(slice(cut)), 1.0)]
    name = f"{seed}-{options.windows}-{options.steps}-{options.channels}"
    if grid is not None:
        real = workdir / f"grid-{name}.npz"
        if not real.exists():
            first = train_phone_network(
                sources,
                workdir / f"aligner-{name}",
                replace(plan, steps=int(options.steps * options.aligner)),
                seed=seed,
                device=device,
                progress=say,
            ).cpu()
            _keep(
                real, load_grid_windows(_arrays(first), Path(grid), workdir, options.real_windows, seed, progress=say)
            )
        sources.append((SpeechWindows(*_kept(real)), options.real))
    network = train_phone_network(
        sources, workdir / f"phones-{name}", plan, seed=seed, device=device, progress=say
    ).cpu()
    right = frame_accuracy(network, speech.part(slice(cut, None))) if cut < len(speech) else float("nan")
    say(f"phones: {100 * right:.1f} % of frames right on disturbed synthetic speech kept apart")

    phones = _arrays(network)
    model = LipModel.phonetic()
    if grid is not None:
        model = fit_on_grid(
            phones,
            Path(grid),
            workdir,
            speech.phones[:: max(len(speech) // 1500, 1), : grid_corpus.FRAMES * 4],
            seed=seed,
            progress=say,
        )
    figures = {"frames_right_synthetic": round(right, 4)}
    return write_weights(
        out,
        phones,
        model,
        {"seed": seed, "training": asdict(options), "figures": figures, "grid": grid is not None},
    )


def _arrays(network: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy() for name, value in network.state_dict().items()}


def load_grid_windows(
    phones: dict[str, np.ndarray],
    grid: Path,
    workdir: Path,
    count: int,
    seed: int,
    *,
    progress: Callable[[str], None] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """GRID's training clips as training data of the phone network: windows as `training.windows` makes them,
    stacked.

    phones: the network that finds the phones' times inside the known words; count: how many windows.
    """
    from lipdub.speech.phone_network import PhoneNetwork
    from lipdub.training.phone_windows import Utterance, change_speed, make_windows

    hearing = PhoneNetwork(phones)
    words = grid_corpus.load_word_times(grid)
    apart = set(held_out(words))
    spoken: list[Utterance] = []
    for sentence in grid_corpus.load_sentences(
        grid, workdir, [n for n in sorted(words) if n not in apart], progress=progress
    ):
        heard = phone_recognizer.compute_phone_posteriors(sentence.audio, hearing)[: grid_corpus.FRAMES * 4]
        spoken.append(Utterance(sentence.audio, tuple(grid_corpus.align_phones(sentence.words, heard))))
    if progress:
        progress(f"phones: times found in {len(spoken)} clips of GRID")
    rng = np.random.default_rng(seed)

    def voice() -> Utterance:
        return change_speed(spoken[int(rng.integers(len(spoken)))], rng.uniform(0.8, 1.25))

    encoded, power, marks = zip(*make_windows(voice, count, rng), strict=True)
    return np.stack(encoded), np.stack(power), np.stack(marks)


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
    frames) phones of other speech, on which what GRID's talker does is held back (`lip_fit.fit_context`).
    """
    from lipdub.speech.phone_network import PhoneNetwork
    from lipdub.speech.phones import PHONE_INDEX, PHONES
    from lipdub.training.lip_fit import fit_context, fit_lip_model

    heard_by = PhoneNetwork(
        {
            name: value.astype(np.float16).astype(np.float32) if value.dtype.kind == "f" else value
            for name, value in phones.items()
        }
    )
    words = grid_corpus.load_word_times(grid)
    apart = set(held_out(words))
    posteriors, lips = [], []
    for sentence in grid_corpus.load_sentences(
        grid, workdir, [n for n in sorted(words) if n not in apart], progress=progress
    ):
        p = phone_recognizer.compute_phone_posteriors(sentence.audio, heard_by)[: grid_corpus.FRAMES * 4]
        known = np.zeros_like(
            p
        )  # the phones really said, beside those heard: errors of the network are not to be learned
        for start, end, phone in grid_corpus.align_phones(sentence.words, p):
            known[round(start * 100) : round(end * 100), PHONE_INDEX[phone]] = 1.0
        own = grid_corpus.measure_mouth(sentence.landmarks)
        posteriors += [p, known]
        lips += [own, own]
    if progress:
        progress(f"lips: fitted on {len(lips) // 2} clips of GRID, {len(PHONES)} phones")
    seen = np.stack(posteriors), np.stack(lips)
    return fit_context(*seen, labels, fit_lip_model(*seen, seed=seed, progress=progress), seed=seed, progress=progress)


def write_weights(out: Path, phones: dict[str, np.ndarray], model: LipModel, notes: dict) -> Path:
    """Write a weights file (float16 network, float32 lip numbers); whole or not at all. Returns its path."""
    from safetensors.numpy import save_file

    tensors = {
        f"phones.{name}": value.astype(np.float16) if value.dtype.kind == "f" else value
        for name, value in phones.items()
    }
    arrays, numbers = model.to_file()
    tensors |= {f"lips.{name}": value for name, value in arrays.items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(out.name + ".tmp")
    save_file(
        {k: np.ascontiguousarray(v) for k, v in tensors.items()},
        str(beside),
        {"format": WEIGHTS_FORMAT, "lips": json.dumps(numbers), "notes": json.dumps(notes)},
    )
    os.replace(beside, out)
    return out


def read_notes(weights: Path) -> str:
    """What a weights file tells of its training: JSON text."""
    from safetensors import safe_open

    with safe_open(str(weights), "numpy") as file:
        return (file.metadata() or {}).get("notes", "{}")


def _keep(path: Path, arrays: tuple[np.ndarray, ...]) -> None:
    beside = path.with_suffix(".tmp.npz")
    np.savez(beside, *arrays)
    os.replace(beside, path)


def _kept(path: Path) -> tuple[np.ndarray, ...]:
    with np.load(path) as arrays:
        return tuple(arrays[name] for name in arrays.files)
