"""Training of the phone network on synthetic speech: batches, schedule, resumable loop."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from lipdub.speech.phones import INDEX, PHONES
from lipdub.training.augment import augment, features
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
    """Train (or go on training) the phone network; checkpoints lie in `folder`, from which a stopped run
    resumes.

    sources: speech, each with its share of a batch (the first takes what the others leave). Returns the
    averaged network, in evaluation mode.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "phones.pt"
    torch.manual_seed(seed)
    network = PhoneNetwork(options.size).to(device)
    average = PhoneNetwork(options.size).to(device)
    average.load_state_dict(network.state_dict())
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=options.rate, weight_decay=options.decay, betas=(0.9, 0.98)
    )
    step, spent = 0, 0.0
    if path.exists():
        state = torch.load(path, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent = int(state["step"]), float(state["spent"])
    begun = time.monotonic() - spent
    counts = [round(options.batch * share) for _, share in sources[1:]]
    counts.insert(0, options.batch - sum(counts))
    losses: list[float] = []
    hits: list[float] = []
    while True:
        elapsed = time.monotonic() - begun
        done = step / max(options.steps, 1)
        if options.minutes > 0:
            done = max(done, elapsed / (60 * options.minutes))
        if done >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = (
                options.rate * min(1.0, (step + 1) / 200) * (0.5 + 0.5 * math.cos(math.pi * done) + 0.005)
            )
        rng = np.random.default_rng(
            (seed, step)
        )  # one generator a step: a resumed run draws what an unbroken one draws
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        torch.manual_seed(seed * 1_000_003 + step)
        drawn = [
            speech.batch(n, options.window, rng) for (speech, _), n in zip(sources, counts, strict=True) if n
        ]
        x = features(augment(torch.cat([a for a, _ in drawn]), generator)).to(device)
        y = torch.cat([b for _, b in drawn]).to(device)
        network.train()
        with torch.autocast(torch.device(device).type, torch.bfloat16):  # half the time on a CPU that has it
            logits = network(x)
        logits = logits.float()
        loss = functional.cross_entropy(
            logits.reshape(-1, len(PHONES)), y.reshape(-1), label_smoothing=options.smoothing
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        step += 1
        with torch.no_grad():
            keep = min(0.998, step / (step + 20))
            for a, b in zip(average.parameters(), network.parameters(), strict=True):
                a.lerp_(b, 1 - keep)
        losses.append(float(loss.detach()))
        hits.append(float((logits.detach().argmax(-1) == y).float().mean()))
        if progress and step % 50 == 0:
            progress(
                f"phones: step {step}, {100 * done:.0f} %, loss {np.mean(losses[-50:]):.3f}, "
                f"frames right {100 * np.mean(hits[-50:]):.1f} %, {(time.monotonic() - begun) / 60:.1f} min"
            )
        if step % options.save_every == 0:
            _save(path, network, average, optimiser, step, time.monotonic() - begun)
    _save(path, network, average, optimiser, step, time.monotonic() - begun)
    return average.eval()


def _save(
    path: Path,
    network: PhoneNetwork,
    average: PhoneNetwork,
    optimiser: torch.optim.Optimizer,
    step: int,
    spent: float,
) -> None:
    beside = path.with_suffix(".tmp")
    torch.save(
        {
            "network": network.state_dict(),
            "average": average.state_dict(),
            "optimiser": optimiser.state_dict(),
            "step": step,
            "spent": spent,
        },
        beside,
    )
    os.replace(beside, path)


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
