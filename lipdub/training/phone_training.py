"""The training of the phone network: batches and loss."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from lipdub.speech.encoder import interpolate_steps
from lipdub.speech.phone_features import FEATURE_CEILING, FEATURE_FLOOR, FEATURE_SCALE, LEVEL_FLOOR, LEVEL_SPAN
from lipdub.speech.phones import PHONES
from lipdub.training.loop import LoopOptions, Trainer, TrainingTask
from lipdub.training.phone_network import PhoneNetworkSize, TorchPhoneNetwork
from lipdub.training.phone_windows import WINDOW_FRAMES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lipdub.arrays import Array

_PHASE = 12  # 10 ms frames after which the encoder's frames of 24 ms fall on them again


@dataclass(frozen=True)
class PhoneTrainingOptions:
    """How the phone network is trained.

    Attributes:
        steps: optimiser steps.
        minutes: minutes of wall time after which the schedule ends early, 0: no limit.
        batch: examples in a batch.
        window: 10 ms frames of an example.
        learning_rate: AdamW's learning rate.
        weight_decay: AdamW's weight decay.
        smoothing: label smoothing.
        save_every: steps between checkpoints.
        size: size of the network.
    """

    steps: int = 6000
    minutes: float = 0.0
    batch: int = 24
    window: int = 400
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.02
    smoothing: float = 0.05
    save_every: int = 500
    size: PhoneNetworkSize = field(default_factory=PhoneNetworkSize)


class SpeechWindows:
    """Windows of speech, from which random parts are taken.

    Args:
        encoded: (windows, ENCODER_FRAMES, encoder.WIDTH) float16.
        power: (windows, WINDOW_FRAMES, MELS) float16 dB.
        phones: (windows, WINDOW_FRAMES) uint8, as `training.phone_windows` makes all three.
    """

    def __init__(self, encoded: Array, power: Array, phones: Array) -> None:
        self.encoded, self.power, self.phones = encoded, power, phones

    def __len__(self) -> int:
        return len(self.phones)

    def part(self, rows: slice) -> SpeechWindows:
        """Give some of the windows."""
        return SpeechWindows(self.encoded[rows], self.power[rows], self.phones[rows])

    def batch(self, count: int, window: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Draw random parts.

        Args:
            count: parts to draw.
            window: 10 ms frames of a part.
            rng: random numbers.

        Returns:
            encoded speech at steps of two frames (count, window // 2, WIDTH) float32; power (count, window, MELS)
            float32 dB; phones (count, window) int64.
        """
        which = rng.integers(0, len(self), count)
        # a part begins where a frame of the encoder does, so that all parts see the same phases
        firsts = rng.integers(0, (WINDOW_FRAMES - window) // _PHASE + 1, count) * _PHASE
        encoded = [
            interpolate_steps(self.encoded[i].astype(np.float32), f // 2, (f + window) // 2)
            for i, f in zip(which, firsts, strict=True)
        ]
        frames = firsts[:, None] + np.arange(window)
        power = self.power[which[:, None], frames].astype(np.float32)
        return np.stack(encoded), power, self.phones[which[:, None], frames].astype(np.int64)


def train_phone_network(
    sources: list[tuple[SpeechWindows, float]],
    folder: Path,
    options: PhoneTrainingOptions,
    *,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> TorchPhoneNetwork:
    """Train the phone network, or resume its training.

    Args:
        sources: speech, each with its share of a batch; the first takes what the others leave.
        folder: folder of the checkpoints (`training.loop`).
        options: network, batches and optimiser.
        seed: seed of all random choices.
        device: PyTorch's name of a device.
        progress: called with one line of text at each report.

    Returns:
        the averaged network, in evaluation mode.
    """
    torch.manual_seed(seed)
    network = TorchPhoneNetwork(options.size)
    counts = [round(options.batch * share) for _, share in sources[1:]]
    counts.insert(0, options.batch - sum(counts))

    def draw(number: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        rng = np.random.default_rng((seed, number))
        drawn = [speech.batch(n, options.window, rng) for (speech, _), n in zip(sources, counts, strict=True) if n]
        encoded, power, phones = (torch.from_numpy(np.concatenate(part)) for part in zip(*drawn, strict=True))
        return normalize_power(power), encoded, phones

    def loss_of(
        net: torch.nn.Module, batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, float]]:
        heard, encoded, phones = batch
        logits = net(heard, encoded).float()
        loss = functional.cross_entropy(
            logits.reshape(-1, len(PHONES)), phones.reshape(-1), label_smoothing=options.smoothing
        )
        return loss, {"frames right": float((logits.detach().argmax(-1) == phones).float().mean())}

    loop = LoopOptions(
        steps=options.steps,
        minutes=options.minutes,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        precision="bf16",  # half the time on a CPU that has it
        save_every=options.save_every,
    )
    tell = (lambda text: progress(f"phones: {text}")) if progress else None
    trained = Trainer(TrainingTask(network, draw, loss_of), folder, loop, device=device, seed=seed, progress=tell).run()
    assert isinstance(trained, TorchPhoneNetwork)
    return trained


@torch.no_grad()
def frame_accuracy(network: TorchPhoneNetwork, speech: SpeechWindows) -> float:
    """Measure the share of 10 ms frames whose phone is recognised."""
    right = 0
    for i in range(len(speech)):
        encoded, power, phones = speech.part(slice(i, i + 1)).batch(1, WINDOW_FRAMES, np.random.default_rng(0))
        guess = network(normalize_power(torch.from_numpy(power)), torch.from_numpy(encoded)).argmax(-1).numpy()
        right += int((guess == phones).sum())
    return right / max(speech.phones.size, 1)


def normalize_power(decibel: torch.Tensor) -> torch.Tensor:
    """Compute the features of `speech.phone_features.log_mel` for batches. (batch, frames, MELS) dB in and out."""
    total = (10 ** (decibel / 10)).sum(2, dtype=torch.float64)
    frames = total.shape[1]
    sums = functional.pad(total.cumsum(1), (1, 0))
    index = torch.arange(frames)
    low, high = (index - LEVEL_SPAN).clamp_min(0), (index + LEVEL_SPAN + 1).clamp_max(frames)
    mean = (sums[:, high] - sums[:, low]) / (high - low)
    level = (10 * torch.log10(mean.clamp_min(1e-12))).clamp_min(LEVEL_FLOOR).float()
    return (decibel - level[..., None] + 10.0).clamp(FEATURE_FLOOR, FEATURE_CEILING) / FEATURE_SCALE
