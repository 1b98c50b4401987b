"""Sound that belongs to the lips stands out at its lag; another speech does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lipdub.metrics import avsyncnet
from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
from lipdub.training import own_speech
from lipdub.training.own_speech import fit_curve, fit_own_speech

if TYPE_CHECKING:
    from lipdub.arrays import I64


class Moments:
    """Clips whose mouth and sound of a moment have the same number, the sound some frames later."""

    late = 3

    def __init__(self, data: object, size: object) -> None:
        self.counts = (90, 20)

    def __len__(self) -> int:
        return len(self.counts)

    def moments(self, clip: int) -> int:
        return self.counts[clip]

    def stacks(self, clip: int, moments: I64) -> torch.Tensor:
        return torch.from_numpy(moments).float()[:, None, None].expand(-1, 5, 1).repeat_interleave(5, 0)

    def sounds(self, clip: int, moments: I64) -> torch.Tensor:
        return torch.from_numpy(moments).float() - self.late


class Numbers(AVSyncNet):
    """Embeds a number by random directions, the same for mouths and sounds."""

    def forward(self, audio: torch.Tensor, faces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        table = torch.nn.functional.normalize(torch.randn(200, 64, generator=torch.Generator().manual_seed(0)))
        return table[audio.long() + 50], table[faces.flatten(1)[:, 0].long() + 50]


@pytest.mark.parametrize("late", [0, 3, -6])
def test_the_lag_is_found(late: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_speech, "SyncClips", Moments)
    monkeypatch.setattr(avsyncnet, "crop_middle", lambda stacks, height, width: stacks[::5])
    monkeypatch.setattr(Moments, "late", late)
    sync = Numbers(AVSyncNetSize(5, 1, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True))
    fit = fit_own_speech(None, sync)  # type: ignore[arg-type]
    assert fit is not None and fit.seconds == pytest.approx(late / 25) and fit.contrast > 0.8


def test_clips_that_are_too_short_tell_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        own_speech, "SyncClips", lambda data, size: type("Short", (Moments,), {"moments": lambda *_: 9})(0, 0)
    )
    assert fit_own_speech(None, AVSyncNet(AVSyncNetSize.small())) is None  # type: ignore[arg-type]


def test_only_near_lags_are_taken() -> None:
    curve = np.zeros(25)
    curve[0], curve[14] = 0.9, 0.4
    fit = fit_curve(curve)
    assert fit.seconds == pytest.approx(0.08) and 0.3 < fit.contrast < 0.4
