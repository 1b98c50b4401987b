"""Sound that belongs to the lips stands out at its lag; another speech does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lipdub.metrics import avsyncnet
from lipdub.metrics.mouth_motion import CORNERS, INNER_LIPS, RIGHT_EYE
from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
from lipdub.speech.lip_motion import LipMotion
from lipdub.training import own_speech
from lipdub.training.own_speech import SpeechFit, fit_curve, fit_own_speech, refine_lag

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, I64


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


def wave(seconds: F64) -> F64:
    """An opening or a width that never repeats within the clips of these tests."""
    return 0.2 + 0.1 * np.sin(7 * seconds) + 0.08 * np.sin(11.3 * seconds + 1)


class Openings:
    """Clips of mouths that open before their sound, as `TalkingClips` gives them."""

    late, scale = 0.0, 1.0

    def __init__(self, data: object) -> None:
        self.counts = (100, 60)

    def __len__(self) -> int:
        return len(self.counts)

    def count(self, clip: int) -> int:
        return self.counts[clip]

    def audio(self, clip: int) -> F32:
        return np.zeros(6 * 16000, np.float32)

    def points(self, clip: int, frames: I64) -> F32:
        points = np.zeros((len(frames), 478, 2), np.float32)
        points[:, RIGHT_EYE, 0] = 100
        points[:, INNER_LIPS[1], 1] = self.scale * 100 * wave(frames / 25 + self.late)
        points[:, CORNERS[1], 0] = self.scale * 100 * wave(frames / 25 + self.late + 9)
        points[frames == 5] = np.nan
        return points


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> type[Openings]:
    times = np.arange(600) / 100
    values = np.stack([wave(times), wave(times + 9)], 1).astype(np.float32)
    motion = LipMotion(times, values, [], ("opening", "width"))
    monkeypatch.setattr(own_speech, "predict_lip_motion", lambda audio: motion)
    monkeypatch.setattr(own_speech, "TalkingClips", Openings)
    return Openings


@pytest.mark.parametrize(("late", "found"), [(0.093, 0.12), (-0.028, 0.0), (0.04, 0.04)])
def test_the_lag_is_found_below_a_frame(
    late: float, found: float, openings: type[Openings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openings, "late", late)
    fit = refine_lag(None, SpeechFit(found, 0.3))  # type: ignore[arg-type]
    assert fit.seconds == pytest.approx(late, abs=0.004) and fit.contrast == 0.3


@pytest.mark.parametrize(("late", "scale"), [(0.1, 1.0), (0.0, 0.0)], ids=["too far", "a mouth that stays still"])
def test_the_lag_stays_where_none_near_stands_out(
    late: float, scale: float, openings: type[Openings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openings, "late", late)
    monkeypatch.setattr(openings, "scale", scale)
    fit = SpeechFit(0.0, 0.3)
    assert refine_lag(None, fit) == fit  # type: ignore[arg-type]
