"""Adapting a tiny model to the drawn talker, in a few seconds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from lipdub.errors import InputError, UsageError
from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize, hide_lower_half
from lipdub.stages.sync.stabilized import describe_unseen_speech
from lipdub.training.adapt import (
    AdaptationOptions,
    _generator_options,
    _video_shares,
    adapt,
    largest_face_pixels,
    mix_weights,
    render_card,
    resize_generator,
)
from lipdub.training.dataset import Clip
from lipdub.training.face_windows import WindowSampling
from lipdub.weights import talking_face_file
from lipdub.workspace.keys import digest_file
from tests.training.base_models import PHONETIC, save_base_model
from tests.training.footage import TALKER, blank, cut

if TYPE_CHECKING:
    from pathlib import Path

SPEECH = TALKER.parent / "speech.wav"


@pytest.mark.slow
def test_it_ends_in_time_knows_the_talker_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lipdub.training.adapt._MIN_MINUTES", 0.0)
    base, out = save_base_model(tmp_path), tmp_path / "adapted.safetensors"
    video = cut(tmp_path / "a talker's.mp4", seconds=2.4)
    said: list[str] = []
    options = AdaptationOptions(minutes=0.05, sampling=WindowSampling(windows=2))
    model = adapt(video, base, out, speech=[SPEECH], options=options, threads=1, progress=said.append)
    assert any("adapted in" in line and "2.4 s of a talker's.mp4" in line for line in said)
    assert any("speech.wav" in line and "by the built-in recipe" in line for line in said)
    before, after = talking_face_file.load(base), talking_face_file.load(out)
    for name in ("silent", "talking"):
        old, new = getattr(before, name), getattr(after, name)
        assert any(not torch.equal(a, b) for a, b in zip(old.parameters(), new.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(before.sync.parameters(), after.sync.parameters(), strict=True))
    notes = after.notes["adapted"]
    assert notes["video"] == "a talker's.mp4" and notes["speech"] == ["speech.wav"] and notes["seconds"] > 2.0
    assert notes["digests"] == [digest_file(SPEECH)]
    assert (
        describe_unseen_speech(out, SPEECH) == []
        and "without this speech" in describe_unseen_speech(out, TALKER)[0]
        and describe_unseen_speech(base, SPEECH) == []
    )
    text = render_card(model, "lipdub adapt VIDEO")
    assert (
        "a talker's.mp4" in text and "`lipdub adapt VIDEO`" in text and '"minutes": 0.05' in text and "consent" in text
    )


@pytest.mark.slow
def test_a_model_that_hears_phones_needs_no_speech(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lipdub.training.adapt._MIN_MINUTES", 0.0)
    base, out = save_base_model(tmp_path, hears=PHONETIC), tmp_path / "adapted.safetensors"
    said: list[str] = []
    options = AdaptationOptions(minutes=0.05, sampling=WindowSampling(windows=2))
    adapt(cut(tmp_path / "talker.mp4", seconds=2.4), base, out, options=options, threads=1, progress=said.append)
    assert any("sound does not fit its lips" in line for line in said)  # as an untrained network finds
    assert not any("follow" in line for line in said) and describe_unseen_speech(out, SPEECH) == []
    before, after = talking_face_file.load(base), talking_face_file.load(out)
    assert after.sync.size == PHONETIC and before.talking is not None and after.talking is not None
    old, new = (model.talking.audio_encoder.conv1.weight for model in (before, after))  # it learns to hear this person
    assert not torch.equal(old, new)


def clip(video: str, frames: int) -> Clip:
    """A clip of the index."""
    return Clip("", "", video, "", "", "train", 1, 0.0, frames, 100.0, None, None, None, "", 0, "")


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("talker", {"quiet": 0.1, "said-0-0": 0.2, "said-0-1": 0.5, "talker": 0.2}),
        ("own", {"quiet": 0.18, "said-0-0": 0.12, "said-0-1": 0.3, "own": 0.4}),
    ],
)
def test_what_is_learnt_of_each_video(own: str, expected: dict[str, float]) -> None:
    dubbed = [clip("quiet", 70), clip("said-0-0", 20), clip("said-0-1", 50)]
    shares = _video_shares([clip(own, 70)], dubbed, AdaptationOptions(dubbed_clip_share=0.7, own_clip_share=0.4))
    assert shares["talking"] == pytest.approx(expected)
    assert shares["silent"]["quiet"] == 0.8 and sum(shares["silent"].values()) == pytest.approx(1)


def test_what_counts_for_each_generator() -> None:
    options = AdaptationOptions(sync_regularizer=0.5, sampling=WindowSampling(windows=2))
    talking, silent = (_generator_options(part, options, 4.0) for part in ("talking", "silent"))
    assert talking.closes_references and not silent.closes_references
    assert talking.loss_weights == replace(options.loss_weights, sync_regularizer=0.5)
    assert talking.loss_weights.reference > 0, "what it draws from different mouths is held alike"
    assert silent.loss_weights == replace(options.loss_weights, sync_regularizer=0.0, reference=0.0)
    assert talking.loop.minutes == silent.loop.minutes == 4.0


def test_the_base_keeps_its_share() -> None:
    network, other = (FaceGenerator(FaceGeneratorSize(24, 8, 16, 16)) for _ in range(2))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    mix_weights(network, other, 0.25)
    for name, value in other.state_dict().items():
        expected = 0.75 * before[name] + 0.25 * value if value.is_floating_point() else before[name]
        torch.testing.assert_close(network.state_dict()[name], expected)


@pytest.mark.slow
def test_what_it_cannot_learn_from(tmp_path: Path) -> None:
    base, out = save_base_model(tmp_path), tmp_path / "adapted.safetensors"
    with pytest.raises(InputError, match="s of one face only"):
        adapt(cut(tmp_path / "short.mp4", seconds=1.2), base, out, threads=1)
    with pytest.raises(InputError, match=r"nothing of .*blank\.mp4 can be learnt: .*no face") as error:
        adapt(blank(tmp_path / "blank.mp4"), base, out, threads=1)
    assert "lipdub-adapt-" not in f"{error.value}{error.value.hint}", "the folder is gone when this is read"
    silent = talking_face_file.load(base)
    only = talking_face_file.save(tmp_path / "only.safetensors", replace(silent, talking=None))
    with pytest.raises(UsageError, match="no talking-face generator"):
        adapt(TALKER, only, out, threads=1)
    assert not out.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"minutes": 0.0},
        {"minutes": float("nan")},
        {"silent_lip_time_share": 1.0},
        {"dubbed_clip_share": 1.1},
        {"sync_regularizer": 0.1},
    ],
)
def test_options_that_cannot_be(wrong: dict) -> None:
    with pytest.raises(UsageError):
        AdaptationOptions(**wrong)


@pytest.mark.parametrize("draws_change", [False, True])
@pytest.mark.parametrize(("old", "new"), [(24, 32), (32, 24), (24, 24)])
def test_a_model_for_other_pixels_draws_much_the_same(old: int, new: int, draws_change: bool) -> None:
    torch.manual_seed(0)
    generator = FaceGenerator(FaceGeneratorSize(old, 8, 16, 16, draws_change=draws_change)).eval()
    other = resize_generator(generator, new).eval()
    assert other.size == FaceGeneratorSize(new, 8, 16, 16, draws_change=draws_change)
    face = torch.rand(1, 3, 4, 4)
    sound = torch.nn.functional.normalize(torch.randn(1, 16))

    def drawn(network: FaceGenerator) -> torch.Tensor:
        shown = torch.nn.functional.interpolate(face, network.size.pixels, mode="bilinear")
        with torch.no_grad():
            made = network(sound, hide_lower_half(shown), shown)
        return torch.nn.functional.interpolate(made, 12, mode="area")

    a, b = drawn(generator), drawn(other)
    assert float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]) > 0.8


def test_pixels_it_cannot_be_taken_to() -> None:
    generator = FaceGenerator(FaceGeneratorSize(24, 8, 16, 16))
    assert largest_face_pixels(generator) == largest_face_pixels(FaceGenerator(FaceGeneratorSize(32, 8, 16, 16))) == 32
    with pytest.raises(UsageError, match="cannot be resized to 96"):
        resize_generator(generator, 96)
    with pytest.raises(UsageError, match="pixels"):
        resize_generator(generator, 100)
