"""The training of speech to lip motion, for `lipdub train lip-motion`: from synthesisers, and GRID if it is given."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.speech import phone_recognizer
from lipdub.speech.coarticulation import LipModel
from lipdub.training import grid as grid_corpus

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from lipdub.arrays import F32, U8, Array
    from lipdub.training.phone_training import SpeechWindows

_TRAINED_SHARE = 0.98  # of the synthesised windows; the rest measures the result
_GRID_FRAMES = grid_corpus.FRAMES * 4  # 10 ms frames of a GRID clip
_CONTEXT_WINDOWS = 1500  # synthesised windows on which the context is held
_SPEEDS = (0.8, 1.25)  # factors of speed at which GRID's voice is played


@dataclass(frozen=True)
class LipMotionOptions:
    """Options that determine the result, besides the seed.

    Attributes:
        windows: stretches of 8 s that the synthesisers speak.
        steps: optimiser steps of the phone network.
        minutes: minutes of wall time after which its schedule ends early; 0: by steps alone, which is reproducible.
        batch: windows in a batch.
        channels: width of the phone network.
        aligner: share of the steps of a first network. It learns from synthesised speech only, and then finds the times
            of the phones in GRID's sentences.
        real: share of GRID's sound in the batches after that.
        real_windows: stretches of GRID's sound.
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
    options: LipMotionOptions | None = None,
    seed: int = 0,
    workdir: Path | None = None,
    threads: int = 2,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Train speech to lip motion, or resume the training, and write the weights.

    Args:
        out: the safetensors file to write; it is replaced as a whole at the end.
        grid: folder of the GRID clips; without it the lips are the phonetic table's.
        options: sizes and steps.
        seed: seed of all random choices.
        workdir: folder of synthesised speech, measured lips and checkpoints, by default next to `out`.
        threads: threads of the processor.
        device: PyTorch's name of a device.
        progress: called with one line of text now and then.

    Returns:
        `out`.

    Raises:
        EnvironmentFailure: no synthesiser is installed.
    """
    import torch

    from lipdub.training.phone_network import PhoneNetworkSize
    from lipdub.training.phone_training import PhoneTrainingOptions, frame_accuracy, train_phone_network

    options, report = options or LipMotionOptions(), progress or (lambda text: None)
    out = Path(out)
    workdir = Path(workdir) if workdir else out.with_suffix(".work")
    workdir.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(max(threads, 1))
    speech = _load_or_synthesize_speech(workdir, options, seed, threads, report)
    split = max(1, int(len(speech) * _TRAINED_SHARE))
    plan = PhoneTrainingOptions(
        steps=options.steps,
        minutes=options.minutes,
        batch=options.batch,
        size=PhoneNetworkSize(channels=options.channels),
    )
    name = f"{seed}-{options.windows}-{options.steps}-{options.channels}"
    sources = [(speech.part(slice(split)), 1.0)]
    if grid is not None:
        path = workdir / f"grid-{name}.npz"
        if not path.exists():
            aligner = replace(plan, steps=int(options.steps * options.aligner))
            folder = workdir / f"aligner-{name}"
            network = train_phone_network(sources, folder, aligner, seed=seed, device=device, progress=report).cpu()
            windows = load_grid_windows(
                _extract_weights(network), Path(grid), workdir, options.real_windows, seed, progress=report
            )
            grid_corpus.save_arrays(path, **{f"arr_{i}": array for i, array in enumerate(windows)})
        sources.append((_load_windows(path), options.real))
    folder = workdir / f"phones-{name}"
    network = train_phone_network(sources, folder, plan, seed=seed, device=device, progress=report).cpu()
    accuracy = frame_accuracy(network, speech.part(slice(split, None))) if split < len(speech) else float("nan")
    report(f"phones: {100 * accuracy:.1f} % of frames right on disturbed synthetic speech that was held out")
    phones = _extract_weights(network)
    model = LipModel.phonetic()
    if grid is not None:
        labels = speech.phones[:: max(len(speech) // _CONTEXT_WINDOWS, 1), :_GRID_FRAMES]
        model = fit_on_grid(phones, Path(grid), workdir, labels, seed=seed, progress=report)
    figures = {"frames_right_synthetic": round(accuracy, 4)}
    notes = {"seed": seed, "training": asdict(options), "figures": figures, "grid": grid is not None}
    return write_weights(out, phones, model, notes)


def _load_or_synthesize_speech(
    workdir: Path, options: LipMotionOptions, seed: int, threads: int, report: Callable[[str], None]
) -> SpeechWindows:
    """Synthesise the speech, or load the speech of an earlier call."""
    from lipdub.training import synthetic_speech

    path = workdir / f"speech-{options.windows}-{seed}.npz"
    if not path.exists():
        arrays = synthetic_speech.synthesize_corpus(options.windows, seed, workers=max(threads, 1), progress=report)
        grid_corpus.save_arrays(path, **{f"arr_{i}": array for i, array in enumerate(arrays)})
    return _load_windows(path)


def _load_windows(path: Path) -> SpeechWindows:
    from lipdub.training.phone_training import SpeechWindows

    with np.load(path) as arrays:
        encoded, power, phones = (arrays[name] for name in arrays.files)
        return SpeechWindows(encoded, power, phones)


def _extract_weights(network: torch.nn.Module) -> dict[str, Array]:
    return {name: value.detach().numpy() for name, value in network.state_dict().items()}


def _list_training_clips(grid: Path) -> list[str]:
    """List the clips of GRID that are not held out."""
    words = grid_corpus.load_word_times(grid)
    held_out = set(grid_corpus.held_out_clips(words))
    return [name for name in sorted(words) if name not in held_out]


def load_grid_windows(
    phones: dict[str, Array],
    grid: Path,
    workdir: Path,
    count: int,
    seed: int,
    *,
    progress: Callable[[str], None] | None = None,
) -> tuple[Array, Array, U8]:
    """Make training data of the phone network from GRID's training clips.

    Args:
        phones: weights of the network that finds the times of the phones in the known words.
        grid: folder of the GRID clips.
        workdir: folder that keeps sound and landmarks.
        count: windows to make.
        seed: seed of all random choices.
        progress: called with one line of text now and then.

    Returns:
        windows of `training.phone_windows`, stacked.
    """
    from lipdub.speech.phone_network import PhoneNetwork
    from lipdub.training.phone_windows import Utterance, change_speed, make_windows

    network = PhoneNetwork(phones)
    utterances: list[Utterance] = []
    for sentence in grid_corpus.load_sentences(grid, workdir, _list_training_clips(grid), progress=progress):
        posteriors = phone_recognizer.compute_phone_posteriors(sentence.audio, network)[:_GRID_FRAMES]
        utterances.append(Utterance(sentence.audio, tuple(grid_corpus.align_phones(sentence.words, posteriors))))
    if progress:
        progress(f"phones: times found in {len(utterances)} clips of GRID")
    rng = np.random.default_rng(seed)

    def draw_voice() -> Utterance:
        return change_speed(utterances[int(rng.integers(len(utterances)))], rng.uniform(*_SPEEDS))

    encoded, power, labels = zip(*make_windows(draw_voice, count, rng), strict=True)
    return np.stack(encoded), np.stack(power), np.stack(labels)


def fit_on_grid(
    phones: dict[str, Array],
    grid: Path,
    workdir: Path,
    labels: U8,
    *,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> LipModel:
    """Fit the lip model on GRID's training clips, with phones that this network recognizes.

    Args:
        phones: weights of the phone network.
        grid: folder of the GRID clips.
        workdir: folder that keeps sound and landmarks.
        labels: (n, frames) uint8 phones of other speech, on which GRID's habits are held back (`lip_fit.fit_context`).
        seed: seed of all random choices.
        progress: called with one line of text now and then.
    """
    from lipdub.speech.phone_network import PhoneNetwork
    from lipdub.speech.phones import PHONE_INDEX, PHONES
    from lipdub.training.lip_fit import fit_context, fit_lip_model

    network = PhoneNetwork({name: _round_to_half(value) for name, value in phones.items()})
    posteriors: list[F32] = []
    lips = []
    for sentence in grid_corpus.load_sentences(grid, workdir, _list_training_clips(grid), progress=progress):
        recognized = phone_recognizer.compute_phone_posteriors(sentence.audio, network)[:_GRID_FRAMES]
        # The fit also learns the true phones, so that it does not learn the network's errors.
        true_phones = np.zeros_like(recognized)
        for start, end, phone in grid_corpus.align_phones(sentence.words, recognized):
            true_phones[round(start * 100) : round(end * 100), PHONE_INDEX[phone]] = 1.0
        mouth = grid_corpus.measure_mouth(sentence.landmarks)
        posteriors += [recognized, true_phones]
        lips += [mouth, mouth]
    if progress:
        progress(f"lips: fitted on {len(lips) // 2} clips of GRID, {len(PHONES)} phones")
    data = np.stack(posteriors), np.stack(lips)
    model = fit_lip_model(*data, seed=seed, progress=progress)
    return fit_context(*data, labels, model, seed=seed, progress=progress)


def _round_to_half(value: Array) -> Array:
    """Round weights as the file does."""
    return value.astype(np.float16).astype(np.float32) if value.dtype.kind == "f" else value


def write_weights(out: Path, phones: dict[str, Array], model: LipModel, notes: dict[str, Any]) -> Path:
    """Write a weights file, whole or not at all: the network in float16, the lip model in float32. Returns its path."""
    from safetensors.numpy import save_file

    tensors = {
        f"phones.{name}": value.astype(np.float16) if value.dtype.kind == "f" else value
        for name, value in phones.items()
    }
    arrays, numbers = model.to_file()
    tensors |= {f"lips.{name}": value for name, value in arrays.items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(out.name + ".tmp")
    save_file(
        {name: np.ascontiguousarray(value) for name, value in tensors.items()},
        str(partial),
        {"format": phone_recognizer.WEIGHTS_FORMAT, "lips": json.dumps(numbers), "notes": json.dumps(notes)},
    )
    partial.replace(out)
    return out


def read_notes(weights: Path) -> str:
    """Read the notes on the training from a weights file, JSON text."""
    from safetensors import safe_open

    with safe_open(str(weights), "numpy") as file:
        return str((file.metadata() or {}).get("notes", "{}"))
