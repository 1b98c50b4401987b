"""AVSyncNet's training at tiny size: it learns which sound belongs to which mouth, and resumes exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from lipdub.errors import InputError, WeightsError
from lipdub.metrics import avsyncnet
from lipdub.metrics.avsyncnet import load_avsyncnet
from lipdub.networks.avsyncnet import FRAMES, AVSyncNet, AVSyncNetSize
from lipdub.networks.syncnet_scorer import SyncNetScorer
from lipdub.speech import mel
from lipdub.training.dataset import open_dataset
from lipdub.training.face_augmentation import FaceAugmentation, VoiceAugmentation
from lipdub.training.loop import LoopOptions
from lipdub.training.registry import train
from lipdub.training.sync_scorer import (
    SyncClips,
    SyncScorerOptions,
    draw_batch,
    matching_accuracy,
    pair_loss,
    train_scorer,
    write_weights,
)
from tests.training.datasets import pairs, talkers

STILL = FaceAugmentation(*[0.0] * 8, noise=0.0, flip=0.0, blurred=0.0)
SAME = VoiceAugmentation(0.0, 0.0, 0.0, 0.0)
TINY = AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True)
LOOP = LoopOptions(steps=12, learning_rate=3e-3, warmup=2, save_every=5)
OPTIONS = SyncScorerOptions(
    clips=2, moments=4, variants=1, size=TINY, face_augmentation=STILL, voice_augmentation=SAME, loop=LOOP
)


def made_talks(folder: Path, seed: int = 0) -> SyncClips:
    return SyncClips(open_dataset(talkers(folder, seed=seed)), TINY)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["infonce", "bce"])
def test_it_learns_which_sound_is_whose(tmp_path: Path, loss: str) -> None:
    loop = replace(LOOP, steps=60, learning_rate=5e-3, save_every=1000, report_every=30)
    options = replace(OPTIONS, clips=4, moments=8, loss=loss, loop=loop)
    talks, said = made_talks(tmp_path / "data"), []
    untrained = train_scorer(talks, tmp_path / "none", replace(options, loop=replace(loop, steps=1)))
    trained = train_scorer(talks, tmp_path / loss, options, progress=said.append)
    fresh = made_talks(tmp_path / "fresh", seed=5)
    assert matching_accuracy(untrained, fresh, options) < 0.4
    assert matching_accuracy(trained, fresh, options) > 0.6
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in said]
    assert len(losses) == 2 and losses[1] < 0.75 * losses[0]


@pytest.mark.slow
def test_a_stopped_training_ends_as_an_unbroken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lipdub.training import sync_scorer

    class StoppedError(Exception):
        pass

    # with the changes, so that they, too, are the same when drawn again
    options = replace(OPTIONS, variants=2, face_augmentation=FaceAugmentation(), voice_augmentation=VoiceAugmentation())
    talks, calls = made_talks(tmp_path / "data"), 0
    whole = train_scorer(talks, tmp_path / "whole", options, seed=3)

    def stopping(*given):
        nonlocal calls
        calls += 1
        if calls == 8:
            raise StoppedError
        return draw_batch(*given)

    monkeypatch.setattr(sync_scorer, "draw_batch", stopping)
    with pytest.raises(StoppedError):
        train_scorer(talks, tmp_path / "parts", options, seed=3)
    again = train_scorer(talks, tmp_path / "parts", options, seed=3)
    assert calls == 8 + 7  # went on from step 5, the last kept
    for (name, a), b in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_losses_by_hand() -> None:
    logits = torch.tensor([[[2.0, -1.0, 9.0], [0.5, 1.0, 0.0], [9.0, 0.0, 1.0]]])
    wrong = torch.tensor([[[False, True, False], [True, False, True], [False, True, False]]])
    # the 9s are of moments too near to be wrong, and count nowhere
    bce = (sum(np.log1p(np.exp(-x)) for x in (2, 1, 1)) / 3 + sum(np.log1p(np.exp(x)) for x in (-1, 0.5, 0, 0)) / 4) / 2
    assert float(pair_loss(logits, wrong, "bce")) == pytest.approx(bce, abs=1e-6)
    rows = [
        np.exp(2) / (np.exp(2) + np.exp(-1)),
        np.exp(1) / (np.exp(0.5) + np.exp(1) + 1),
        np.exp(1) / (1 + np.exp(1)),
    ]
    columns = [
        np.exp(2) / (np.exp(2) + np.exp(0.5)),
        np.exp(1) / (np.exp(-1) + np.exp(1) + 1),
        np.exp(1) / (np.exp(1) + 1),
    ]
    nce = -(np.log(rows).mean() + np.log(columns).mean()) / 2
    assert float(pair_loss(logits, wrong, "infonce")) == pytest.approx(nce, abs=1e-6)


def test_a_batch_is_moments_with_their_sounds(tmp_path: Path) -> None:
    talks = made_talks(tmp_path)
    mels, faces, moments = draw_batch(talks, OPTIONS, np.random.default_rng(1))
    assert mels.shape == (2, 4, 80, 16) and faces.shape == (2, 4, FRAMES, 12, 24)
    assert (moments[:, 1:] > moments[:, :-1]).all() and moments.max() + FRAMES <= 40
    clip = next(c for c in range(4) if torch.equal(talks.sounds(c, moments[0].numpy()), mels[0]))
    window = open_dataset(tmp_path).read(open_dataset(tmp_path).clips[clip])
    first = int(moments[0, 2])
    start = round(first * 3.2)
    heard = mel.compute_levelled_spectrogram(window.audio)[:, start : start + 16]
    np.testing.assert_allclose(mels[0, 2], heard.astype(np.float16).astype(np.float32), atol=1e-5)
    grey = window.crops[first + 3, 16:28, 4:28] @ (0.299, 0.587, 0.114)
    np.testing.assert_allclose(faces[0, 2, 3], grey / 255, atol=0.51 / 255)
    again = draw_batch(talks, OPTIONS, np.random.default_rng(1))
    assert all(torch.equal(a, b) for a, b in zip((mels, faces, moments), again, strict=True))


def test_examples_learnt_by_heart_are_few_and_as_they_are(tmp_path: Path) -> None:
    talks = made_talks(tmp_path)
    options = replace(
        OPTIONS, overfit=1, variants=4, face_augmentation=FaceAugmentation(), voice_augmentation=VoiceAugmentation()
    )
    mels, faces, moments = draw_batch(talks, options, np.random.default_rng(1))
    torch.testing.assert_close(mels[1], talks.sounds(0, moments[1].numpy()))
    plain = avsyncnet.crop_middle(talks.stacks(0, moments[0].numpy()), 12, 24).reshape(faces[0].shape)
    torch.testing.assert_close(faces[0], plain)


def test_colours_of_a_frame_stay_together_at_any_size(tmp_path: Path) -> None:
    data = open_dataset(talkers(tmp_path))
    coloured = SyncClips(data, replace(TINY, grey=False))
    stacks = coloured.stacks(0, np.array([0, 1]))
    assert stacks.shape == (2 * 15, 16, 32)
    given = data.read(data.clips[0], 2, 1).crops[0, 14:30].transpose(2, 0, 1) / 255
    np.testing.assert_allclose(stacks[2 * 3 : 2 * 3 + 3], given, atol=1e-6)
    np.testing.assert_allclose(stacks[15 + 3 : 15 + 6], given, atol=1e-6)
    assert SyncClips(data, replace(TINY, height=24, width=48)).stacks(0, np.array([3])).shape == (5, 32, 64)


def test_clips_too_short_for_five_frames_are_left_alone(tmp_path: Path) -> None:
    data = open_dataset(talkers(tmp_path / "a", clips=2, frames=5))
    assert len(SyncClips(data, TINY)) == 2
    mels, _, moments = draw_batch(
        SyncClips(data, TINY), OPTIONS, np.random.default_rng(0)
    )  # one moment, again and again
    assert mels.shape == (2, 4, 80, 16) and not moments.any()
    with pytest.raises(InputError, match="no clip of 5 frames"):
        SyncClips(open_dataset(talkers(tmp_path / "b", frames=4)), TINY)


def test_mouths_that_are_shut_in_silence_teach_nothing(tmp_path: Path) -> None:
    data = open_dataset(pairs(tmp_path))
    shut = [clip.id for clip in data.clips if clip.variant == "shut"]
    assert shut and len(SyncClips(data, TINY)) == len(data.clips) - len(shut)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("name", ["avsyncnet", "syncnet"])
def test_weights_go_out_and_come_back(tmp_path: Path, name: str) -> None:
    options = replace(OPTIONS, network=name, syncnet_width=2, loop=replace(LOOP, steps=1))
    talks = SyncClips(open_dataset(talkers(tmp_path / "data")), SyncNetScorer(2).size if name == "syncnet" else TINY)
    network = train_scorer(talks, tmp_path / "work", options)
    path = write_weights(tmp_path / "a" / "weights.safetensors", network, {"seed": 0})
    again = load_avsyncnet(path)
    assert isinstance(again, AVSyncNet if name == "avsyncnet" else SyncNetScorer)
    assert again.size == network.size and not again.training
    for (key, a), b in zip(network.state_dict().items(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3, msg=key)
    sound, mouth = again(torch.zeros(2, 80, 16), torch.rand(2, FRAMES, network.size.height, network.size.width))
    torch.testing.assert_close(mouth.square().sum(1), torch.ones(2))
    assert sound.shape == (2, network.size.features)


def test_what_holds_no_weights_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"nothing of the kind")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_avsyncnet(other)
    with pytest.raises(WeightsError, match="holds no weights of AVSyncNet"):
        load_avsyncnet(Path(__file__).parents[2] / "weights" / "neutral-face.safetensors")


@pytest.mark.slow
def test_train_leaves_held_out_clips_alone_and_is_repeatable(tmp_path: Path) -> None:
    options = replace(
        OPTIONS,
        variants=2,
        face_augmentation=FaceAugmentation(),
        voice_augmentation=VoiceAugmentation(),
        loop=replace(LOOP, steps=2),
    )
    said: list[str] = []
    data = talkers(tmp_path / "data", clips=5, held_out={3, 4})
    first = train(
        "sync-scorer", tmp_path / "a.safetensors", data=data, threads=1, settings=options, progress=said.append
    )
    assert any("% of held-out moments" in line for line in said)
    last = next((data / "shards" / "03").iterdir())
    damaged = bytearray(last.read_bytes())
    damaged[-1] ^= 1
    last.write_bytes(damaged)  # never trained on, so nothing of it changes the weights
    said.clear()
    again = train(
        "sync-scorer", tmp_path / "b.safetensors", data=data, threads=1, settings=options, progress=said.append
    )
    assert any("03" in line and "skipped" in line for line in said)
    a, b = load_avsyncnet(first).state_dict(), load_avsyncnet(again).state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)
    with pytest.raises(InputError, match="0303-0000"):
        train("sync-scorer", tmp_path / "c.safetensors", data=data, settings=options, on_bad="error")
    assert not (tmp_path / "c.safetensors").exists()


def test_a_turned_view_turns_about_its_middle() -> None:
    crops = torch.zeros(1, 33, 33)
    crops[0, 16, 16:28] = 1.0
    turned = avsyncnet.crop_middle(crops, 25, 25, turn=90.0)[0]
    column = int(turned.sum(0).argmax())
    assert (
        column == 12
        and turned[:, column].sum() > 10
        and (turned[12:, column].sum() < 2 or turned[:12, column].sum() < 2)
    )
    torch.testing.assert_close(avsyncnet.crop_middle(crops, 25, 25, turn=0.0), avsyncnet.crop_middle(crops, 25, 25))
