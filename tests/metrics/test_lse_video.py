"""SyncNet's pipeline: what of picture and sound reaches the network, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lipdub.errors import WeightsError
from lipdub.metrics import lse, lse_video
from lipdub.metrics.lse_video import crop_square
from lipdub.speech import mfcc
from lipdub.weights.store import WeightsStore

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")

BOX = np.array([20.0, 10.0, 60.0, 60.0])  # half a side: 25


class _Loudness(torch.nn.Module):
    """In SyncNet's place: hears how loud each frame is and sees how bright, so it knows what belongs together."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(1))
        self.most = 0

    def sound(self, columns: torch.Tensor) -> torch.Tensor:
        assert columns.shape[1:] == (1, 13, 20)
        self.most = max(self.most, len(columns))
        return columns[:, 0, 0].reshape(-1, 5, 4)[..., :2].mean(-1)

    def lips(self, clips: torch.Tensor) -> torch.Tensor:
        assert clips.shape[1:] == (3, 5, 224, 224)
        return clips.mean((1, 3, 4)) / 10


def _video(seconds: float = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames (n, 80, 80, 3) at 25 fps as bright as their sound is loud, their times, and the sound."""
    count = int(seconds * 25)
    rng = np.random.default_rng(seed)
    loud = -4 + 2 * np.convolve(rng.normal(size=count), np.hanning(6), "same").clip(-2, 2)
    sound = (np.repeat(np.exp(loud / 2), 640) * rng.normal(0, 0.5, count * 640)).clip(-1, 1)
    energy = mfcc.compute_mfcc((sound * 32767).astype(np.int16))[0]
    bright = np.array([energy[4 * v : 4 * v + 2].mean() for v in range(count)]) * 10
    frames = np.repeat(np.rint(bright).astype(np.uint8), 80 * 80 * 3).reshape(count, 80, 80, 3)
    return frames, np.arange(count) / 25, sound.astype(np.float32)


def _boxes(count: int) -> np.ndarray:
    return np.tile(BOX, (count, 1))


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("shift", [0, 3, -5])
def test_a_shift_of_the_sound_is_found(shift: int) -> None:
    frames, times, sound = _video()
    moved = np.roll(sound, shift * 640)  # positive: the sound comes later
    found = _score(frames, times, _boxes(len(frames)), moved, _Loudness())
    assert found.offset == -shift and 2 * found.distance < found.confidence


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("start", [0.4, -0.32])
def test_the_sound_may_begin_before_or_after_the_picture(start: float) -> None:
    frames, times, sound = _video()
    cut = sound[round(start * 16000) :] if start > 0 else np.concatenate([np.zeros(round(-start * 16000)), sound])
    found = _score(frames, times + 100, _boxes(len(frames)), cut, _Loudness(), start)
    assert found.offset == 0 and found.confidence > 1


@pytest.mark.slow
@pytest.mark.parametrize("rate", [50, 30, 24])
def test_other_frame_rates_are_resampled_by_their_times(rate: int) -> None:
    frames, times, sound = _video()
    at = np.arange(int(6 * rate)) / rate
    shown = frames[np.minimum(np.round(at * 25).astype(int), len(frames) - 1)]
    found = _score(iter(shown), at, _boxes(len(at)), np.roll(sound, 2 * 640), _Loudness())
    assert found.offset == -2
    if rate == 50:
        assert found == _score(frames, times, _boxes(150), np.roll(sound, 2 * 640), _Loudness())


def _score(*arguments: Any) -> lse.Scores:
    """Scores of a whole video."""
    return lse_video.score_clips(lse_video.video_distances(*arguments))


def test_the_grid_holds_every_25th_of_a_second() -> None:
    assert lse_video.nearest_frames(np.arange(5) / 25).tolist() == [0, 1, 2, 3, 4]
    assert lse_video.nearest_frames(3 + np.arange(10) / 50).tolist() == [0, 2, 4, 6, 8]
    assert len(lse_video.nearest_frames(np.arange(30) / 12.5)) == 60 and lse_video.nearest_frames(np.arange(30) / 12.5)[
        ::2
    ].tolist() == list(range(30))
    assert lse_video.nearest_frames(np.array([0, 0.04, 0.4, 0.44])).tolist() == [0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3]
    assert lse_video.nearest_frames(np.zeros(0)).tolist() == []


@pytest.mark.slow
def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, times, sound = _video()
    whole = lse_video.video_distances(frames, times, _boxes(150), sound, _Loudness())
    assert whole.shape == (31, 145) and np.isfinite(whole).all()
    network = _Loudness()
    lips = network.lips(
        torch.from_numpy(
            np.stack(
                [
                    np.stack([crop_square(frames[v + i], np.array([40, 35, 25])) for i in range(5)])[..., ::-1]
                    .transpose(3, 0, 1, 2)
                    .astype(np.float32)
                    for v in range(145)
                ]
            )
        )
    ).numpy()
    columns = mfcc.compute_mfcc((sound.astype(np.float64) * 32768).round().clip(-32768, 32767).astype(np.int16))
    heard = network.sound(torch.from_numpy(mfcc.cut_windows(columns, 145)[:, None].astype(np.float32))).numpy()
    np.testing.assert_allclose(whole, lse.feature_distances(lips, heard), atol=1e-3)
    monkeypatch.setattr(lse_video, "BLOCK", 7)
    monkeypatch.setattr(lse_video, "BATCH", 3)
    network = _Loudness()
    np.testing.assert_allclose(lse_video.video_distances(frames, times, _boxes(150), sound, network), whole, atol=1e-4)
    assert network.most == 3


@pytest.mark.slow
def test_clips_without_a_face_do_not_count() -> None:
    frames, times, sound = _video()
    boxes = _boxes(150)
    boxes[60:100] = np.nan  # longer than what is bridged
    boxes[20:30] = np.nan  # bridged
    found = lse_video.video_distances(frames, times, boxes, sound, _Loudness())
    missing = np.flatnonzero(np.isnan(found).any(0))
    assert missing.tolist() == list(range(56, 100)) and np.isnan(found[:, missing]).all()
    assert lse_video.score_clips(found).offset == 0
    for empty in (found[:, 60:90], lse_video.video_distances(frames, times, boxes * np.nan, sound, _Loudness())):
        with pytest.raises(ValueError, match="no face"):
            lse_video.score_clips(empty)


def test_too_little_is_refused() -> None:
    frames, times, sound = _video()
    for n, m in ((5, 96000), (150, 3000), (0, 96000), (150, 0)):
        assert lse_video.video_distances(frames[:n], times[:n], _boxes(n), sound[:m], _Loudness()).shape == (31, 0)
    with pytest.raises(ValueError, match="do not match"):
        lse_video.video_distances(frames, times, _boxes(3), sound, _Loudness())


def test_crops_lie_as_published() -> None:
    places = lse_video.smooth_squares(_boxes(20))
    assert places == pytest.approx(np.tile([40.0, 35.0, 25.0], (20, 1)))
    y, x = np.mgrid[0:200, 0:200]
    picture = np.stack([x, y, x * 0], -1).astype(np.uint8)
    crop = crop_square(picture, np.array([100.0, 80.0, 40.0]))
    # from x - 1.4 half to x + 1.4 half, from y - half to y + 1.8 half
    assert crop.shape == (224, 224, 3)
    assert crop[0, 0, :2].tolist() == [44, 40] and crop[-1, -1, :2].tolist() == [155, 151]
    beyond = crop_square(picture, np.array([20.0, 80.0, 40.0]))
    assert (beyond[:, :70] == lse_video.BORDER).all() and not (beyond[:, 80:] == lse_video.BORDER).all()
    assert (crop_square(picture, np.array([9000.0, 80, 40])) == lse_video.BORDER).all()


def test_places_are_smoothed_by_the_median() -> None:
    boxes = _boxes(40)
    boxes[17] += 30  # one that is wrong
    assert lse_video.smooth_squares(boxes) == pytest.approx(np.tile([40.0, 35.0, 25.0], (40, 1)))
    boxes[20:] += [10, 0, 10, 0]
    assert (np.diff(lse_video.smooth_squares(boxes)[:, 0]) >= 0).all()


def test_boxes_of_meshes_hold_the_oval() -> None:
    from lipdub.faces.landmarks import load_neutral_face

    faces = np.stack([load_neutral_face() * 100 + 300, np.full((478, 3), np.nan)])
    boxes = lse_video.measure_face_boxes(faces)
    assert np.isnan(boxes[1]).all()
    x0, y0, x1, y1 = boxes[0]
    assert x0 < 250 and x1 > 350 and y1 > 400 and y0 < 260


def test_it_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"syncnet_v2\.model are not in the store"):
        lse_video.load_syncnet(WeightsStore(tmp_path))


def test_the_network_is_syncnets(tmp_path: Path) -> None:
    """The real network, small, takes what the pipeline gives it."""
    from lipdub.networks.syncnet import SyncNet

    torch.manual_seed(0)
    frames, times, sound = _video(1.0)
    found = lse_video.video_distances(frames, times, _boxes(25), sound, SyncNet(2, 16).eval())
    assert found.shape == (31, 20) and np.isfinite(found).all()
