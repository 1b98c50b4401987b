"""`lipdub train face-prior` and `lipdub train stylelipsync`: what they take, refuse, and write."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("accelerate")

from lipdub.errors import UsageError, WeightsError
from lipdub.networks.avsyncnet import AVSyncNet
from lipdub.speech import phonetic_features
from lipdub.training import sync_scorer
from lipdub.training.face_windows import WindowSampling
from lipdub.training.registry import TRAINABLES, make_arguments, train
from lipdub.training.style_lip_sync.discriminator import DiscriminatorOptions
from lipdub.training.style_lip_sync.face_prior import PriorOptions
from lipdub.training.style_lip_sync.face_prior import full_options as full_prior
from lipdub.training.style_lip_sync.generator import GeneratorTrainingOptions, StyleLossWeights
from lipdub.training.style_lip_sync.generator import full_options as full_generator
from lipdub.training.trainable import Runtime
from lipdub.weights import face_prior_file, style_lip_sync_file, user_models
from lipdub.weights.style_lip_sync_file import FAMILY, StyleLipSyncModel
from tests.training.style_lip_sync import small

PRIOR, GENERATOR = TRAINABLES.get("face-prior"), TRAINABLES.get("stylelipsync")
LOOP = replace(small.LOOP, steps=1)
PRIOR_OPTIONS = PriorOptions(
    small.DECODER, faces=4, discriminator=DiscriminatorOptions(r1=0.0), path_length=0.0, fid_pictures=8, loop=LOOP
)
OPTIONS = GeneratorTrainingOptions(
    small.SIZE, sampling=WindowSampling(windows=1), loss_weights=StyleLossWeights(perceptual=0.0, pixel=1.0), loop=LOOP
)

pytestmark = pytest.mark.usefixtures("weights_folder")


@dataclass(frozen=True)
class Files:
    """What the trainings take."""

    data: Path
    prior: Path
    sync: Path
    model: Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("inputs")
    model = StyleLipSyncModel(
        small.network(), "box", {"remark": "of two", "lead": 0.04, "stylelipsync": {"training": 1}}
    )
    return Files(
        small.talkers(folder / "faces", clips=3, held_out={2}),
        face_prior_file.save(folder / "prior.safetensors", small.prior()),
        sync_scorer.write_weights(folder / "sync.safetensors", small.sync(), {"seed": 0}),
        style_lip_sync_file.save(folder / "model.safetensors", model),
    )


def fit(name: str, out: Path, files: Files, settings: Any, **arguments: Any) -> Path:
    return train(name, out, data=files.data, settings=settings, threads=1, **arguments)


# What is refused


def test_a_prior_or_a_model_is_needed_and_not_both() -> None:
    data, prior, begin = [Path("faces")], Path("prior"), Path("model")
    for wrong in ({}, {"prior": prior, "begin": begin}):
        with pytest.raises(UsageError, match="needs one of --prior and --begin"):
            make_arguments(GENERATOR, {"data": data, **wrong})
    for given in ({"prior": prior}, {"begin": begin}):
        make_arguments(GENERATOR, {"data": data, **given})
    make_arguments(PRIOR, {"data": data})


def test_a_name_that_no_model_can_have_is_refused_before_the_training(weights_folder: Path) -> None:
    given = {"data": [Path("faces")], "prior": Path("prior")}
    with pytest.raises(UsageError, match="cannot have the name"):
        make_arguments(GENERATOR, {**given, "keep": "../up"})
    assert not weights_folder.exists()
    make_arguments(GENERATOR, {**given, "keep": "mine"})
    assert (weights_folder / "trained" / "stylelipsync").is_dir()


def test_files_that_hold_something_else_are_refused(tmp_path: Path, files: Files) -> None:
    out = tmp_path / "out.safetensors"
    for name, given, said in (
        ("face-prior", {"begin": files.model}, "holds no face prior"),
        ("stylelipsync", {"prior": files.model, "sync": files.sync}, "holds no face prior"),
        ("stylelipsync", {"begin": files.prior, "sync": files.sync}, "holds no StyleLipSync model"),
        ("stylelipsync", {"prior": files.prior, "sync": files.prior}, "holds no weights of AVSyncNet"),
        ("stylelipsync", {"prior": Path("stylegan2-256"), "sync": files.sync}, "stylegan2-256"),
    ):
        settings = PRIOR_OPTIONS if name == "face-prior" else OPTIONS
        with pytest.raises(WeightsError, match=said):
            fit(name, out, files, settings, **given)
    assert not out.exists()


def test_a_model_and_an_avsyncnet_that_hear_different_things_are_refused(tmp_path: Path, files: Files) -> None:
    hears = replace(small.HEARS, audio="phonetic", audio_rows=phonetic_features.ROWS, audio_columns=21)
    torch.manual_seed(0)
    phonetic = sync_scorer.write_weights(tmp_path / "sync.safetensors", AVSyncNet(hears), {"seed": 0})
    with pytest.raises(UsageError, match="does not hear"):
        fit("stylelipsync", tmp_path / "out.safetensors", files, OPTIONS, begin=files.model, sync=phonetic)


# What is taken


@pytest.mark.parametrize(
    ("name", "usual", "full"),
    [("face-prior", PriorOptions(), full_prior()), ("stylelipsync", GeneratorTrainingOptions(), full_generator())],
)
def test_settings_are_those_of_a_cpu_or_the_papers(name: str, usual: Any, full: Any) -> None:
    trainable = TRAINABLES.get(name)
    given = {"data": [Path("faces")], **({"prior": Path("prior")} if name == "stylelipsync" else {})}
    assert trainable.settings(make_arguments(trainable, given)) == usual
    assert trainable.settings(make_arguments(trainable, {**given, "full": True})) == full
    few = trainable.settings(make_arguments(trainable, {**given, "overfit": 3, "minutes": 2.0}))
    assert (few.overfit if name == "face-prior" else few.sampling.overfit) == 3 and few.loop.minutes == 2.0


def test_the_published_prior_is_taken_by_its_name(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    published = small.prior(seed=8)
    monkeypatch.setattr(face_prior_file, "load_published", lambda: published)
    given = {"data": [files.data], "prior": Path("stylegan2-256"), "sync": files.sync}
    inputs: Any = GENERATOR.load_inputs(make_arguments(GENERATOR, given))  # type: ignore[attr-defined]
    assert inputs.prior is published and inputs.begin is None and inputs.sync.size == small.HEARS


def test_other_inputs_are_another_training(files: Files) -> None:
    """Their networks are part of the name of the checkpoints."""
    for given, count in (({"prior": files.prior}, 2), ({"begin": files.model}, 2)):
        arguments = make_arguments(GENERATOR, {"data": [files.data], "sync": files.sync, **given})
        networks = GENERATOR.input_networks(GENERATOR.load_inputs(arguments))  # type: ignore[attr-defined]
        assert sum(network is not None for network in networks) == count
    assert PRIOR.input_networks(None) == ()  # type: ignore[attr-defined]


# What is written


def test_a_prior_is_written_with_a_sheet_of_its_faces_and_its_figures(tmp_path: Path, files: Files) -> None:
    out, said = tmp_path / "out" / "prior.safetensors", list[str]()
    assert fit("face-prior", out, files, PRIOR_OPTIONS, workdir=tmp_path / "work", progress=said.append) == out
    made = face_prior_file.load(out)
    assert made.size == small.DECODER and made.discriminator is not None
    assert {file.name for file in out.parent.iterdir()} == {"prior.safetensors", "prior.png"}
    assert set(made.notes["figures"]) == {"fid_own", "fid_own_truncated"} and made.notes["clips"] == 2
    assert any("fid_own" in line for line in said) and "one speaker (who)" in made.notes["remark"]
    card = PRIOR.render_card(out, "lipdub train face-prior")
    assert "`lipdub train face-prior`" in card and "fid_own: " in card and '"path_length": 0.0' in card
    still = replace(PRIOR_OPTIONS, loop=replace(LOOP, learning_rate=0.0))
    again = face_prior_file.load(fit("face-prior", tmp_path / "again.safetensors", files, still, begin=out))
    assert again.notes["earlier"] == made.notes
    for part in ("generator", "discriminator"):
        assert small.changed(small.copy_state(getattr(made, part)), getattr(again, part)) == set()


def test_without_held_out_clips_a_prior_is_not_measured(tmp_path: Path, files: Files) -> None:
    said: list[str] = []
    settings: Any = PRIOR_OPTIONS
    runtime = Runtime(report=said.append)
    assert PRIOR.evaluate(small.prior(), None, settings, runtime) == {}  # type: ignore[attr-defined]
    assert "no held-out clips" in said[0]


def test_a_model_is_written_with_the_notes_of_its_prior_and_kept(tmp_path: Path, files: Files) -> None:
    out = tmp_path / "out" / "style.safetensors"
    settings = replace(OPTIONS, mask="jaw", lead=0.02)
    fit("stylelipsync", out, files, settings, workdir=tmp_path / "work", prior=files.prior, sync=files.sync)
    made = style_lip_sync_file.load(out)
    assert made.mask == "jaw" and made.lead == 0.02 and made.network.size == small.SIZE
    assert made.notes["face-prior"] == {"remark": "a prior for tests"} and made.notes["stylelipsync"]["clips"] == 2
    assert [file.name for file in out.parent.iterdir()] == [out.name]
    card = GENERATOR.render_card(out, "lipdub train stylelipsync")
    assert "`lipdub train stylelipsync`" in card and '"mask": "jaw"' in card and "one speaker (who)" in card
    arguments = make_arguments(GENERATOR, {"data": [files.data], "prior": files.prior, "keep": "mine"})
    GENERATOR.publish(out, card, arguments)
    found = user_models.find(FAMILY, "mine", None)
    assert found.path.read_bytes() == out.read_bytes() and found.path.with_suffix(".md").read_text() == card


def further(folder: Path, files: Files, settings: GeneratorTrainingOptions, **inputs: Path) -> StyleLipSyncModel:
    """Train the model of the files further."""
    given = {"begin": files.model, "sync": files.sync, **inputs}
    out = fit("stylelipsync", folder / "out.safetensors", files, settings, **given)
    return style_lip_sync_file.load(out)


def test_a_training_goes_on_from_a_model(tmp_path: Path, files: Files) -> None:
    begun = style_lip_sync_file.load(files.model)
    still = replace(OPTIONS, mask="box", trains="decoder", loop=replace(LOOP, learning_rate=0.0))
    made = further(tmp_path, files, still)
    assert small.changed(small.copy_state(begun.network), made.network) == set()
    assert made.notes["stylelipsync"]["clips"] == 2 and made.notes["stylelipsync, earlier"] == {"training": 1}
    assert made.lead == 0.04, "it still comes late"


def test_the_remark_of_a_further_training_is_its_own(tmp_path: Path, files: Files) -> None:
    assert "one speaker (who)" in further(tmp_path, files, OPTIONS).notes["remark"]


@pytest.mark.parametrize(("lead", "heard"), [(0.0, 0.04), (0.02, 0.0)])
def test_a_model_with_a_lead_hears_ahead_where_the_data_has_none(
    tmp_path: Path, files: Files, lead: float, heard: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lipdub.training.style_lip_sync import generator

    leads: list[float] = []
    make = generator.make_sampler

    def note(data: Any, sync: Any, options: Any, seed: int, lead: float = 0.0, *more: Any, **named: Any) -> Any:
        leads.append(lead)
        return make(data, sync, options, seed, lead, *more, **named)

    monkeypatch.setattr(generator, "make_sampler", note)
    made = further(tmp_path, files, replace(OPTIONS, lead=lead))
    assert leads == [heard, heard] and made.lead == (lead or 0.04)
