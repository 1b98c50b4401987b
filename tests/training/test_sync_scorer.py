"""AVSyncNet's training at tiny size: it learns who belongs together, resumes exactly, and its pieces do what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from lipdub.errors import WeightsError  # noqa: E402
from lipdub.metrics.avsync import load  # noqa: E402
from lipdub.networks.avsyncnet import FRAMES, AVSyncNetSize  # noqa: E402
from lipdub.speech import mel  # noqa: E402
from lipdub.training import grid  # noqa: E402
from lipdub.training.augment_faces import FaceChanges, VoiceChanges, face_views, voice_views  # noqa: E402
from lipdub.training.sync_scorer import (  # noqa: E402
    SyncScorerTraining,
    Talks,
    batch,
    export,
    matched,
    pair_loss,
    train,
    train_scorer,
)

STILL = FaceChanges(*[0.0] * 8, noise=0.0, flip=0.0, blurred=0.0)
SAME = VoiceChanges(0.0, 0.0, 0.0, 0.0)
TINY = AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True)
OPTIONS = SyncScorerTraining(
    steps=12, clips=2, moments=4, rate=3e-3, variants=1, precision="no", save_every=5, size=TINY, faces=STILL, voices=SAME
)


def made_talks(clips: int = 4, frames: int = 40, seed: int = 0) -> Talks:
    """Mouths that open as wide as the voice is loud."""
    rng = np.random.default_rng(seed)
    columns = int(frames / grid.FPS * mel.COLUMN_RATE) + 1
    crops = np.full((clips, frames, 16, 32), 200, np.uint8)
    mels = np.zeros((1, clips, mel.BANDS, columns), np.float16)
    for clip in range(clips):
        knots = rng.uniform(0, 1, frames // 2 + 1)
        open_at = np.interp(np.arange(frames), np.arange(len(knots)) * 2, knots)
        for i, share in enumerate(open_at):
            crops[clip, i, 8 - round(6 * share) : 9 + round(6 * share), 8:24] = 30
        level = np.interp(np.arange(columns) / mel.COLUMN_RATE, np.arange(frames) / grid.FPS, open_at)
        mels[0, clip] = (6 * level - 3) + rng.normal(0, 0.2, (mel.BANDS, columns))
    return Talks(crops, mels)


@pytest.mark.parametrize("loss", ["infonce", "bce"])
def test_it_learns_which_sound_is_whose(tmp_path: Path, loss: str) -> None:
    options = replace(OPTIONS, steps=120, clips=4, moments=8, loss=loss, save_every=1000)
    said: list[str] = []
    untrained = train_scorer(made_talks(), range(4), tmp_path / "none", replace(options, steps=1))
    trained = train_scorer(made_talks(), range(4), tmp_path / loss, options, progress=said.append)
    fresh = made_talks(seed=5)
    assert matched(untrained, fresh, options) < 0.4
    assert matched(trained, fresh, options) > 0.6
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in said]
    assert len(losses) == 2 and losses[1] < 0.75 * losses[0]


def test_a_stopped_training_ends_as_an_unbroken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lipdub.training import sync_scorer

    class Stopped(Exception):
        pass

    # with the changes, so that they, too, are the same when drawn again
    options = replace(OPTIONS, faces=FaceChanges(), voices=VoiceChanges())
    talks, calls = made_talks(), 0
    whole = train_scorer(talks, range(4), tmp_path / "whole", options, seed=3)

    def stopping(*given):
        nonlocal calls
        calls += 1
        if calls == 8:
            raise Stopped
        return batch(*given)

    monkeypatch.setattr(sync_scorer, "batch", stopping)
    with pytest.raises(Stopped):
        train_scorer(talks, range(4), tmp_path / "parts", options, seed=3)
    again = train_scorer(talks, range(4), tmp_path / "parts", options, seed=3)
    assert calls == 8 + 7  # went on from step 5, the last kept
    for (name, a), b in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_unknown_loss(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="loss is 'l2'"):
        train_scorer(made_talks(), range(4), tmp_path, replace(OPTIONS, loss="l2"))


def test_losses_by_hand() -> None:
    logits = torch.tensor([[[2.0, -1.0, 9.0], [0.5, 1.0, 0.0], [9.0, 0.0, 1.0]]])
    wrong = torch.tensor([[[False, True, False], [True, False, True], [False, True, False]]])
    # the 9s are of moments too near to be wrong, and count nowhere
    bce = (sum(np.log1p(np.exp(-x)) for x in (2, 1, 1)) / 3 + sum(np.log1p(np.exp(x)) for x in (-1, 0.5, 0, 0)) / 4) / 2
    assert float(pair_loss(logits, wrong, "bce")) == pytest.approx(bce, abs=1e-6)
    rows = [np.exp(2) / (np.exp(2) + np.exp(-1)), np.exp(1) / (np.exp(0.5) + np.exp(1) + 1), np.exp(1) / (1 + np.exp(1))]
    columns = [np.exp(2) / (np.exp(2) + np.exp(0.5)), np.exp(1) / (np.exp(-1) + np.exp(1) + 1), np.exp(1) / (np.exp(1) + 1)]
    nce = -(np.log(rows).mean() + np.log(columns).mean()) / 2
    assert float(pair_loss(logits, wrong, "infonce")) == pytest.approx(nce, abs=1e-6)


def test_a_batch_is_moments_with_their_sounds() -> None:
    talks = made_talks()
    mels, faces, moments = batch(talks, range(4), OPTIONS, np.random.default_rng(1))
    assert mels.shape == (2, 4, 80, 16) and faces.shape == (2, 4, FRAMES, 12, 24)
    assert (moments[:, 1:] > moments[:, :-1]).all() and moments.max() + FRAMES <= 40
    clip = next(c for c in range(4) if torch.equal(talks.sounds(c, moments[0].numpy()), mels[0]))
    first = int(moments[0, 2])
    start = round(first * 3.2)
    np.testing.assert_allclose(mels[0, 2], talks.mels[0, clip, :, start : start + 16].astype(np.float32), atol=1e-5)
    np.testing.assert_allclose(faces[0, 2, 3], talks.crops[clip, first + 3, 2:14, 4:28] / 255, atol=1e-5)
    again = batch(talks, range(4), OPTIONS, np.random.default_rng(1))
    assert all(torch.equal(a, b) for a, b in zip((mels, faces, moments), again, strict=True))


def test_colours_of_a_frame_stay_together() -> None:
    crops = np.zeros((1, 6, 4, 8, 3), np.uint8)
    crops[0, 2, ..., 1] = 255
    stacks = Talks(crops, np.zeros((1, 1, 80, 20), np.float16)).stacks(0, np.array([0, 1]))
    assert stacks.shape == (2 * 15, 4, 8)
    assert np.flatnonzero(stacks.numpy().any((1, 2))).tolist() == [2 * 3 + 1, 15 + 1 * 3 + 1]


def test_changes_keep_range_and_shape_and_are_a_clips_own() -> None:
    frame = torch.rand(3, 1, 64, 128, generator=torch.Generator().manual_seed(0)).expand(3, 5, 64, 128)
    views = face_views(frame, 48, 96, np.random.default_rng(0), replace(FaceChanges(), noise=0.0))
    assert views.shape == (3, 5, 48, 96) and 0 <= views.min() and views.max() <= 1
    assert torch.equal(views[:, 0], views[:, 4])  # a face that does not move does not begin to
    assert (views[0] - views[1]).abs().mean() > 0.05
    silent = torch.full((2, 3, 80, 16), -4.0)
    heard = torch.rand(2, 3, 80, 16, generator=torch.Generator().manual_seed(0)) * 4 - 2
    changed = voice_views(heard, np.random.default_rng(0), VoiceChanges())
    assert changed.shape == heard.shape and changed.abs().max() <= 4
    assert torch.equal(voice_views(silent, np.random.default_rng(1), SAME), silent)
    torch.testing.assert_close(voice_views(heard, np.random.default_rng(1), SAME), heard)


def test_a_shorter_vocal_tract_raises_all_tones() -> None:
    tone = torch.full((1, 1, 80, 16), -4.0)
    tone[:, :, 40] = 2.0

    class Lowest:
        def uniform(self, low, high, count=None):
            return low if count is None else np.zeros(count)

    changed = voice_views(tone, Lowest(), VoiceChanges(tract=0.2, tone=0.0, louder=0.0, softer=0.0))  # type: ignore[arg-type]
    assert int(changed[0, 0, :, 0].argmax()) > 42


def test_weights_go_out_and_come_back(tmp_path: Path) -> None:
    network = train_scorer(made_talks(), range(4), tmp_path / "work", replace(OPTIONS, steps=2))
    path = export(tmp_path / "a" / "weights.safetensors", network, {"seed": 0})
    again = load(path)
    assert again.size == TINY and not again.training
    for (name, a), b in zip(network.state_dict().items(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3, msg=name)
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"nothing of the kind")
    with pytest.raises(WeightsError, match="cannot be read"):
        load(other)
    with pytest.raises(WeightsError, match="holds no weights of AVSyncNet"):
        load(Path(__file__).parents[2] / "weights" / "neutral-face.safetensors")


def test_train_reads_clips_but_those_held_out_and_is_repeatable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    talker = Path(__file__).parents[1] / "sample" / "talker.mp4"
    names = [f"clip{i}" for i in range(8)]
    folder = tmp_path / "grid"
    (folder / "clips").mkdir(parents=True)
    for name in names[:7]:
        (folder / "clips" / f"{name}.mp4").symlink_to(talker)
    (folder / "clips" / "clip7.mp4").write_bytes(b"the eighth is held out: never opened")
    (folder / "words.json").write_text(json.dumps({name: [[0.0, 3.0, "sil"]] for name in names}))
    mesh = grid.video_landmarks(talker, grid.FRAMES)
    monkeypatch.setattr(grid, "video_landmarks", lambda path, limit=None: mesh if path.is_symlink() else 1 / 0)
    options = replace(OPTIONS, variants=2, faces=FaceChanges(), voices=VoiceChanges())
    work = tmp_path / "work"
    first = train(tmp_path / "a.safetensors", grid=folder, workdir=work, steps=2, threads=1, options=options)
    crops = np.load(work / "lower-faces-12x24-grey.npy")
    assert crops.shape == (7, 75, 16, 32) and crops.std() > 10
    with np.load(work / "sounds-2-0.npz") as kept:
        assert kept["mels"].shape == (2, 7, 80, 241) and (kept["mels"][0] != kept["mels"][1]).any()
    other = tmp_path / "b.safetensors"
    again = train(other, grid=folder, workdir=tmp_path / "work2", steps=2, threads=1, options=options)
    assert first.read_bytes() == again.read_bytes()
