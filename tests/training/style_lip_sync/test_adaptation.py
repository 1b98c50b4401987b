"""Adapting a tiny model's decoder to the drawn talker."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("accelerate")

from lipdub.errors import EnvironmentFailure, InputError, UsageError, WeightsError
from lipdub.networks.avsyncnet import AVSyncNet
from lipdub.speech import phonetic_features
from lipdub.training import adaptation_data
from lipdub.training.dataset import open_dataset
from lipdub.training.face_windows import WindowSampling
from lipdub.training.style_lip_sync import adaptation
from lipdub.training.style_lip_sync.adaptation import (
    StyleAdaptationOptions,
    adapt_style_lip_sync,
    render_card,
)
from lipdub.weights import style_lip_sync_file, user_models
from lipdub.weights.style_lip_sync_file import FAMILY, StyleLipSyncModel
from lipdub.workspace.keys import digest_file
from tests.training.footage import TALKER, blank, cut
from tests.training.style_lip_sync.small import HEARS, changed, copy_state, network, sync, talkers

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.arrays import F32
    from lipdub.networks.style_lip_sync import StyleLipSync
    from lipdub.training.dataset import Clip, Dataset

SPEECH = TALKER.parent / "speech.wav"

pytestmark = pytest.mark.usefixtures("weights_folder")


def stored(folder: Path) -> Path:
    """Keep a new model in the weights store. Give its file there."""
    model = StyleLipSyncModel(network(), "jaw", {"remark": "for tests", "lead": 0.02})
    return user_models.add_model(FAMILY, style_lip_sync_file.save(folder / "base.safetensors", model), "base")


def quick(**options: Any) -> StyleAdaptationOptions:
    """Options of a few steps, which take the video's sound as it is and make no speech."""
    made = StyleAdaptationOptions(utterances=0, min_own_contrast=-9.0)
    loop = replace(made.training.loop, precision="no", report_every=1)
    weights = replace(made.training.loss_weights, **options.pop("weights", {}))
    training = replace(made.training, loop=loop, sampling=WindowSampling(windows=2), loss_weights=weights)
    return replace(made, training=training, **options)


@pytest.mark.slow
def test_it_learns_the_video_and_writes_what_the_decoder_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adaptation_data, "_STEPS", 3)
    base, out = stored(tmp_path), tmp_path / "adapted.safetensors"
    video, said = cut(tmp_path / "a talker's.mp4", seconds=2.4), list[str]()
    model = adapt_style_lip_sync(
        video, base, sync(), out, speech=[SPEECH], options=quick(), seed=3, threads=1, progress=said.append
    )
    assert any("adapted in" in line and "2.4 s of a talker's.mp4" in line for line in said)
    assert all("sync_regularizer" in line for line in said if "step" in line) and any(
        "step 3," in line for line in said
    )
    before, after = style_lip_sync_file.load(base), style_lip_sync_file.load(out)
    learnt = changed(copy_state(before.network), after.network)
    assert learnt == set(load_file(out)) and {name.split(".")[0] for name in learnt} == {"decoder"}
    assert {name.split(".")[1] for name in learnt} == {"input", "conv1", "convs", "to_rgb1", "to_rgbs"}
    for name, value in model.network.state_dict().items():
        torch.testing.assert_close(after.network.state_dict()[name], value, atol=1e-4, rtol=0, msg=name)
    assert out.stat().st_size < base.stat().st_size / 2 and not model.network.training
    notes = after.notes["adapted"]
    assert notes["video"] == "a talker's.mp4" and notes["speech"] == ["speech.wav"] and notes["seconds"] > 2.0
    assert notes["digests"] == [digest_file(SPEECH)] and notes["seed"] == 3
    assert after.notes["remark"].startswith("fine-tuned on 2.4 s of a talker's.mp4 in 10 minutes")
    assert after.mask == "jaw" and after.lead == 0.02 and style_lip_sync_file.find_whole(out) == base
    text = render_card(model, "lipdub adapt VIDEO")
    for part in ("a talker's.mp4", "`lipdub adapt VIDEO`", '"trains": "decoder"', "consent", "heard speech.wav"):
        assert part in text


@pytest.mark.slow
def test_an_adapted_model_is_adapted_from_its_base_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what does not fit its sound is learnt from dubs, in time though minutes are few."""
    monkeypatch.setattr(adaptation_data, "_MIN_MINUTES", 0.0)
    base, first, out = stored(tmp_path), tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    begun = style_lip_sync_file.load(base)
    with torch.no_grad():
        begun.network.decoder.to_rgb1.bias.add_(1.0)
    style_lip_sync_file.save_adapted(first, base, begun)
    user_models.add_model(FAMILY, first, "first")
    said: list[str] = []
    options = quick(minutes=0.01, min_own_contrast=2.0, weights={"sync_regularizer": 0.0})
    video = cut(tmp_path / "talker.mp4", seconds=2.4)
    adapt_style_lip_sync(video, first, sync(), out, options=options, threads=1, progress=said.append)
    assert any("from dubs alone" in line for line in said)
    assert style_lip_sync_file.find_whole(out) == base
    bias = style_lip_sync_file.load(out).network.decoder.to_rgb1.bias.detach()
    assert float(bias.abs().max()) < 0.5, "from the whole model, not from what was learnt of another video"


@pytest.mark.slow
def test_what_it_cannot_learn_from(tmp_path: Path) -> None:
    base, out = stored(tmp_path), tmp_path / "adapted.safetensors"
    with pytest.raises(InputError, match="s of one face only"):
        adapt_style_lip_sync(cut(tmp_path / "short.mp4", seconds=1.2), base, sync(), out, options=quick(), threads=1)
    with pytest.raises(InputError):
        adapt_style_lip_sync(blank(tmp_path / "blank.mp4"), base, sync(), out, options=quick(), threads=1)
    assert not out.exists()


def test_the_decoder_learns_the_models_mask_and_lead_and_the_rest_is_as_the_options_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, given = open_dataset(talkers(tmp_path / "faces")), list[tuple[tuple[Any, ...], dict[str, Any]]]()
    monkeypatch.setattr(adaptation, "cut_beginning", lambda video, seconds, *_: video)
    monkeypatch.setattr(adaptation, "prepare_dataset", lambda *_: data)
    monkeypatch.setattr(adaptation, "retime_own_clips", lambda *_: list(data.clips[:1]))
    said: list[F32] = []

    def dub(data: Dataset, video: Path, speeches: list[F32], folder: Path) -> list[Clip]:
        said.extend(speeches)
        return list(data.clips[1:])

    monkeypatch.setattr(adaptation, "dub_clips", dub)

    def train(*values: Any, **more: Any) -> StyleLipSync:
        given.append((values, more))
        trained: StyleLipSync = values[3]
        return trained

    monkeypatch.setattr(adaptation, "train_style_lip_sync", train)
    options = quick(minutes=3.0)
    adapt_style_lip_sync(
        TALKER,
        stored(tmp_path),
        sync(),
        tmp_path / "out.safetensors",
        speech=[SPEECH],
        options=options,
        threads=1,
        seed=5,
    )
    ((values, more),) = given
    learnt, held_out, training = values[1], values[2], values[6]
    assert learnt.clips == data.clips and held_out is None
    own, dubbed = data.clips
    assert more["shares"] == pytest.approx({own.video: 0.3, dubbed.video: 0.6, "quiet": 0.1})
    frames = sum(clip.frames for clip in data.clips)
    assert [len(sound) for sound in said] == [frames * 640], "as long as the video"
    assert training.mask == "jaw" and more["lead"] == 0.02 and more["seed"] == 5
    assert 0 < training.loop.minutes <= 3.0 and training.loop.steps > 100_000
    loop = replace(training.loop, minutes=0.0, steps=options.training.loop.steps)
    assert replace(training, mask=options.training.mask, loop=loop) == options.training
    assert [sound.shape[0] for sound in more["others"]] == [80]


def test_a_model_and_an_avsyncnet_that_hear_different_things_are_refused(tmp_path: Path) -> None:
    hears = replace(HEARS, audio="phonetic", audio_rows=phonetic_features.ROWS, audio_columns=21)
    with pytest.raises(UsageError, match="AVSyncNet does not hear what the model hears"):
        adapt_style_lip_sync(TALKER, stored(tmp_path), AVSyncNet(hears), tmp_path / "out.safetensors", threads=1)


def test_a_model_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        adapt_style_lip_sync(TALKER, tmp_path / "none.safetensors", sync(), tmp_path / "out.safetensors", threads=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"minutes": 0.0},
        {"minutes": float("nan")},
        {"utterances": -1},
        {"own_clip_share": 0.9},
        {"own_clip_share": -0.1},
        {"silent_clip_share": -0.1},
        {"silent_clip_share": float("nan")},
    ],
)
def test_options_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        StyleAdaptationOptions(**wrong)


def test_only_the_decoder_learns_by_default_and_the_regularizer_is_the_papers() -> None:
    training = StyleAdaptationOptions().training
    weights = training.loss_weights
    assert training.trains == "decoder" and (weights.sync, weights.sync_regularizer) == (0.0, 0.1)
    assert training.middle_faces and training.regularized_windows == 1 and weights.adversarial > 0
    assert training.sampling.frames == 5 and training.sampling.face_augmentation.flip == 0.0


# The other speech


def collect(monkeypatch: pytest.MonkeyPatch, speech: list[Path], made: Any) -> tuple[list[tuple[str, F32]], list[str]]:
    """Collect the other speech, where a synthesiser makes what is given."""

    def synthesize(count: int, seed: int) -> list[F32]:
        assert (count, seed) == (2, 7)
        if isinstance(made, Exception):
            raise made
        speech: list[F32] = made
        return speech

    monkeypatch.setattr(adaptation_data, "_synthesize", synthesize)
    said: list[str] = []
    return adaptation_data.collect_other_speech(TALKER, speech, 1.5, 2, 7, said.append), said


def test_other_speech_is_the_users_and_synthetic(monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic = [np.zeros(5, np.float32), np.ones(6, np.float32)]
    sounds, said = collect(monkeypatch, [SPEECH], synthetic)
    assert [len(sound) for _, sound in sounds] == [24_000, 5, 6] and not said
    assert [name for name, _ in sounds] == ["speech.wav", "synthetic speech", "synthetic speech"]
    assert [len(sound) for _, sound in collect(monkeypatch, [], synthetic)[0]] == [5, 6]


def test_without_a_synthesiser_it_is_the_users_or_the_videos_own(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = EnvironmentFailure("espeak is missing")
    sounds, said = collect(monkeypatch, [SPEECH], failure)
    assert [len(sound) for _, sound in sounds] == [24_000] and "no synthetic speech: espeak is missing" in said[0]
    ((name, own),), said = collect(monkeypatch, [], failure)
    from lipdub.media.audio import load_audio

    whole = load_audio(TALKER, 16_000)
    assert np.array_equal(own, np.roll(whole, len(whole) // 2)) and len(said) == 1 and name.startswith("its own speech")


@pytest.mark.slow
def test_synthetic_speech_is_of_several_voices_and_the_same_for_a_seed() -> None:
    pytest.importorskip("espeakng_loader")
    first, second = (adaptation_data._synthesize(2, seed) for seed in (3, 3))
    assert len(first) == 2 and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(sound.dtype == np.float32 and sound.ndim == 1 and len(sound) > 8000 for sound in first)
    assert not np.array_equal(first[0][:8000], first[1][:8000])
