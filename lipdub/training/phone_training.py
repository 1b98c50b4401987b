"""Training of the phone network on synthetic speech: its batches and its loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from lipdub.speech.phones import INDEX, PHONES
from lipdub.training.augment import augment, features
from lipdub.training.loop import LoopOptions, run_loop
from lipdub.training.phone_network import PhoneNetwork, PhoneNetworkSize


@dataclass(frozen=True)
class PhoneTrainingOptions:
    """steps: optimiser steps; minutes: wall time after which the schedule is over even so (0: no limit);
    window: frames in one example; rate, decay: AdamW's; smoothing: of the labels."""

    steps: int = 6000
    minutes: float = 0.0
    batch: int = 24
    window: int = 400
    rate: float = 1.5e-3
    decay: float = 0.02
    smoothing: float = 0.05
    save_every: int = 500
    size: PhoneNetworkSize = PhoneNetworkSize()


class Speech:
    """Windows cut from speech laid end to end. decibel: float16 (frames, MELS); labels: uint8 (frames,)."""

    def __init__(self, decibel: np.ndarray, labels: np.ndarray) -> None:
        self.decibel, self.labels = decibel, labels

    def batch(self, count: int, window: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Random windows: dB float32 (count, window, MELS), labels int64 (count, window). Some hold long
        silences."""
        starts = rng.integers(0, max(len(self.labels) - window, 1), count)
        rows = (starts[:, None] + np.arange(window)) % len(self.labels)
        x, y = self.decibel[rows].astype(np.float32), self.labels[rows].astype(np.int64)
        for i in range(count):
            draw = rng.random()
            if draw < 0.25:
                length = window if draw < 0.02 else int(rng.integers(20, window // 2))
                at = int(rng.integers(0, window - length + 1))
                x[i, at : at + length] = -100.0 + rng.uniform(0, 20)
                y[i, at : at + length] = INDEX["sil"]
        return torch.from_numpy(x), torch.from_numpy(y)


def train_phones(
    sources: list[tuple[Speech, float]],
    folder: Path,
    options: PhoneTrainingOptions,
    *,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> PhoneNetwork:
    """Train (or go on training) the phone network; checkpoints lie in `folder` (`training.loop`).

    sources: speech, each with its share of a batch (the first takes what the others leave). Returns the
    averaged network, in evaluation mode.
    """
    torch.manual_seed(seed)
    network = PhoneNetwork(options.size)
    counts = [round(options.batch * share) for _, share in sources[1:]]
    counts.insert(0, options.batch - sum(counts))

    def draw(number: int) -> tuple[torch.Tensor, torch.Tensor]:
        rng = np.random.default_rng((seed, number))
        generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
        drawn = [
            speech.batch(n, options.window, rng) for (speech, _), n in zip(sources, counts, strict=True) if n
        ]
        heard = features(augment(torch.cat([a for a, _ in drawn]), generator))
        return heard, torch.cat([b for _, b in drawn])

    def loss_of(net: torch.nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
        x, y = batch
        logits = net(x).float()
        loss = functional.cross_entropy(
            logits.reshape(-1, len(PHONES)), y.reshape(-1), label_smoothing=options.smoothing
        )
        return loss, {"frames right": float((logits.detach().argmax(-1) == y).float().mean())}

    loop = LoopOptions(
        steps=options.steps,
        minutes=options.minutes,
        rate=options.rate,
        decay=options.decay,
        precision="bf16",  # half the time on a CPU that has it
        save_every=options.save_every,
    )
    tell = (lambda text: progress(f"phones: {text}")) if progress else None
    trained = run_loop(network, draw, loss_of, folder, loop, device=device, seed=seed, progress=tell)
    assert isinstance(trained, PhoneNetwork)
    return trained


@torch.no_grad()
def frames_right(network: PhoneNetwork, decibel: np.ndarray, labels: np.ndarray, starts: np.ndarray) -> float:
    """Share of 10 ms frames of unchanged speech whose phone is heard right."""
    right = total = 0
    for a, b in zip(starts[:-1], starts[1:], strict=True):
        x = torch.from_numpy(decibel[a:b].astype(np.float32))[None]
        x = functional.pad(x, (0, 0, 0, x.shape[1] % 2), value=-120.0)
        guess = network(features(x))[0].argmax(-1)[: b - a].numpy()
        right += int((guess == labels[a:b]).sum())
        total += int(b - a)
    return right / max(total, 1)
