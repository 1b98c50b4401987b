"""The talking-face generators at tiny size: they overfit a few windows and resume exactly after a kill."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from lipdub.errors import UsageError
from lipdub.metrics.avsyncnet import find_sound_windows
from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
from lipdub.networks.face_discriminator import FaceDiscriminator
from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize, hide_lower_half
from lipdub.speech import phonetic_features
from lipdub.training import sync_scorer, talking_face
from lipdub.training.card import render_training_card
from lipdub.training.dataset import open_dataset
from lipdub.training.face_windows import WindowSampler, WindowSampling
from lipdub.training.loop import LoopOptions
from lipdub.training.losses.lip_sync import lip_sync
from lipdub.training.registry import train
from lipdub.training.talking_face import (
    GeneratorObjective,
    GeneratorOptions,
    LossWeights,
)
from lipdub.weights import talking_face_file
from lipdub.weights.talking_face_file import TalkingFaceModel
from tests.training.datasets import SIZE, pairs, talkers

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.arrays import U8

HEARS = AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True)
TINY = FaceGeneratorSize(SIZE, 8, 16, 16)
LOOP = LoopOptions(
    steps=6, learning_rate=2e-3, weight_decay=0.0, betas=(0.5, 0.999), warmup=2, ema_decay=0.9, save_every=2
)
OPTIONS = GeneratorOptions(size=TINY, sampling=WindowSampling(windows=2), loop=LOOP)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return talkers(tmp_path_factory.mktemp("faces"), held_out={3})


@pytest.fixture(scope="module")
def sync(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """An AVSyncNet that has learnt to tell sounds apart."""
    loop = LoopOptions(steps=30, learning_rate=3e-3, warmup=2)
    options = sync_scorer.SyncScorerOptions(size=HEARS, clips=3, moments=8, variants=1, loop=loop)
    return train(
        "sync-scorer", tmp_path_factory.mktemp("sync") / "sync.safetensors", data=data, settings=options, threads=1
    )


def model(seed: int = 0) -> TalkingFaceModel:
    torch.manual_seed(seed)
    return TalkingFaceModel(AVSyncNet(HEARS), FaceGenerator(TINY))


def lower_error(generator: FaceGenerator, shown: TalkingFaceModel, data: Path, options: GeneratorOptions) -> float:
    windows = WindowSampler(open_dataset(data, split="train"), options.sampling)
    objective = GeneratorObjective(shown, FaceDiscriminator(TINY), options)
    return sum(objective.lower_face_error(generator, windows.draw(n)) for n in range(4)) / 4


@pytest.mark.slow
def test_windows_learnt_by_heart(tmp_path: Path, data: Path, sync: Path) -> None:
    """Both generators bring the pixel loss of two windows to a fifth of that in the first five of 50 steps."""
    weights = LossWeights(perceptual=0.2, sync=0.05, triplet=0.05, adversarial=0.1)
    loop = replace(LOOP, steps=50, learning_rate=5e-3, save_every=1000, report_every=5)
    options = replace(OPTIONS, sampling=WindowSampling(windows=2, overfit=2), loss_weights=weights, loop=loop)
    silent = train("silent-lip", tmp_path / "silent.safetensors", data=data, sync=sync, settings=options, threads=1)
    made = talking_face_file.load(silent)
    assert made.talking is None and made.silent is not None
    anew = replace(options, begin="new")
    both = talking_face_file.load(
        train("stabilized", tmp_path / "both.safetensors", data=data, silent=silent, settings=anew, threads=1)
    )
    assert both.talking is not None
    for name, parts in (("silent", {"pixel"}), ("both", {"pixel", "sync", "triplet"})):
        first, *_, last = csv.DictReader(next(tmp_path.glob(f"{name}.work/*/log.csv")).open())
        assert float(last["pixel"]) < float(first["pixel"]) / 5 and parts <= set(last)
    torch.manual_seed(0)
    untrained = FaceGenerator(TINY).eval()
    assert lower_error(both.talking, both, data, options) < lower_error(untrained, both, data, options) / 1.5
    assert all(torch.equal(a, b) for a, b in zip(both.silent.parameters(), made.silent.parameters(), strict=True))
    assert both.notes["stabilized"]["clips"] == 3 and both.notes["silent-lip"]["speakers"] == ["who"]


@pytest.mark.slow
def test_a_killed_training_ends_as_an_unbroken_one(tmp_path: Path, data: Path) -> None:
    """kill -9 in the midst of it, then the same training again: the same file, byte for byte."""
    torch.manual_seed(0)
    sync = sync_scorer.write_weights(tmp_path / "sync.safetensors", AVSyncNet(HEARS), {"seed": 0})
    changes = [
        "size.width=8",
        "size.deepest=16",
        "draw.windows=2",  # a name of lipdub 0.1
        "loop.workers=1",
        "loop.precision=no",
        "loop.save_every=2",
        "loop.steps=10",
        "loss_weights.perceptual=0.0",
    ]

    def end(name: str) -> bytes:
        out = tmp_path / name / "silent.safetensors"
        return train("silent-lip", out, data=data, sync=sync, changes=changes, threads=1).read_bytes()

    folder = tmp_path / "broken"
    given = [argument for setting in changes for argument in ("--set", setting)]
    command = [sys.executable, "-m", "lipdub", "train", "silent-lip", "--data", str(data), "--sync", str(sync), *given]
    command += ["--threads", "1"]
    broken = subprocess.Popen([*command, "-o", str(folder / "silent.safetensors")], stderr=subprocess.DEVNULL)
    while broken.poll() is None and not list(folder.glob("silent.work/*/latest")):
        time.sleep(0.02)
    os.kill(broken.pid, signal.SIGKILL)
    assert broken.wait() == -signal.SIGKILL
    assert not (folder / "silent.safetensors").exists()
    assert end("broken") == end("whole")


@pytest.mark.slow
def test_parts_of_the_objective(data: Path) -> None:
    shown = model()
    windows = WindowSampler(open_dataset(data), WindowSampling(windows=2), 0, [torch.rand(80, 60).numpy()])
    batch = windows.draw_plain(0)
    real = batch.faces.flatten(0, 1)

    class Truth(torch.nn.Module):
        """Draws what is true, whatever it is shown."""

        def __init__(self) -> None:
            super().__init__()
            self.zero = torch.nn.Parameter(torch.zeros(()))

        def forward(
            self, sound: torch.Tensor, pose: torch.Tensor, identity: torch.Tensor, audio: torch.Tensor
        ) -> torch.Tensor:
            assert torch.equal(pose, hide_lower_half(real))
            return real + self.zero

    def parts(**changes: object) -> tuple[float, dict[str, float]]:
        weights = LossWeights(**changes.pop("weights", {}))  # type: ignore[arg-type]
        options = replace(OPTIONS, loss_weights=weights, **changes)  # type: ignore[arg-type]
        total, found = GeneratorObjective(shown, FaceDiscriminator(TINY), options).loss(Truth(), batch)
        return float(total.detach()), found

    total, found = parts()
    assert set(found) == {"pixel", "perceptual", "triplet", "sync", "similarity", "adversarial"}
    assert (
        found["pixel"] == 0
        and found["perceptual"] == pytest.approx(0, abs=1e-5)
        and found["similarity"] == pytest.approx(0, abs=1e-5)
    )
    weighted = 0.5 * found["sync"] + 0.5 * found["triplet"] + found["adversarial"]
    assert total == pytest.approx(weighted, rel=1e-5)
    assert set(parts(sync_loss="none", triplet_loss="none", weights={"adversarial": 0.0})[1]) == {"pixel", "perceptual"}
    assert set(parts(weights={"sync_regularizer": 1.0})[1]) - set(found) == {"sync_regularizer"}
    plain = parts(sync_loss="plain", blur=0.0)[1]["sync"]
    lips = torch.nn.functional.interpolate(real[:, :, 12:], (12, 24), mode="bilinear", antialias=True)
    with torch.no_grad():
        seen = shown.sync.image_features(lips.unflatten(0, (2, 5)).flatten(1, 2))
        cosine = (seen * shown.sync.audio_features(batch.sounds[:, 2])).sum(1)
        assert plain == pytest.approx(float(lip_sync(shown.sync.logit(cosine))), rel=1e-4)
    assert parts(sync_loss="plain")[1]["sync"] != pytest.approx(plain, rel=1e-4)  # blurred lips are others


def test_the_mouth_can_count_more(data: Path) -> None:
    batch = WindowSampler(open_dataset(data), WindowSampling(windows=1)).draw_plain(0)
    real = batch.faces.flatten(0, 1)

    class Off(torch.nn.Module):
        """Draws what is true, but for one pixel."""

        def __init__(self, row: int) -> None:
            super().__init__()
            self.row = row

        def forward(
            self, sound: torch.Tensor, pose: torch.Tensor, identity: torch.Tensor, audio: torch.Tensor
        ) -> torch.Tensor:
            made = real.clone()
            made[:, :, self.row, 12] = 1 - made[:, :, self.row, 12]
            return made.requires_grad_()

    def pixel(row: int, mouth: float) -> float:
        options = replace(
            OPTIONS,
            closes_references=False,
            sync_loss="none",
            triplet_loss="none",
            loss_weights=LossWeights(mouth=mouth, perceptual=0.0),
        )
        return GeneratorObjective(model(), FaceDiscriminator(TINY), options).loss(Off(row), batch)[1]["pixel"]

    assert pixel(18, 4.0) == pytest.approx(4 * pixel(18, 1.0), rel=1e-4) and pixel(18, 1.0) > 0
    assert pixel(3, 4.0) == pytest.approx(pixel(3, 1.0), rel=1e-4)


def test_references_are_shut_unless_they_are_to_be_shown_as_they_are(data: Path) -> None:
    shown = model()
    batch = WindowSampler(open_dataset(data), WindowSampling(windows=2)).draw_plain(0)
    seen: list[torch.Tensor] = []

    class Looks(FaceGenerator):
        def forward(
            self, sound: torch.Tensor, pose: torch.Tensor, identity: torch.Tensor, audio: torch.Tensor | None = None
        ) -> torch.Tensor:
            seen.append(identity)
            return super().forward(sound, pose, identity, audio)

    for silent in (True, False):
        GeneratorObjective(shown, FaceDiscriminator(TINY), replace(OPTIONS, closes_references=silent)).loss(
            Looks(TINY), batch
        )
    assert torch.equal(seen[1], batch.references.flatten(0, 1))
    assert not torch.allclose(seen[0], seen[1], atol=0.05)
    objective = GeneratorObjective(shown, FaceDiscriminator(TINY), replace(OPTIONS, open_share=1.0))
    objective.loss(Looks(TINY), batch)
    assert torch.equal(seen[2], seen[1]), "all references stay open"
    objective.lower_face_error(Looks(TINY), batch)
    assert torch.equal(seen[3], seen[0]), "in validation none does"


def test_the_leak_is_measured_by_the_second_reference_or_by_the_true_face(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Copies(FaceGenerator):
        """Draws the reference."""

        def forward(
            self, sound: torch.Tensor, pose: torch.Tensor, identity: torch.Tensor, audio: torch.Tensor | None = None
        ) -> torch.Tensor:
            return identity

    seen: list[tuple[U8, ...]] = []
    monkeypatch.setattr(talking_face, "measure_mouths", lambda *faces: seen.append(faces) or {})
    batch = WindowSampler(open_dataset(pairs(tmp_path)), WindowSampling(pair_share=1.0), has_second=True).draw_plain(0)
    lacking = batch.references.clone()  # only the first window has a second reference
    lacking[0] = batch.second_references[0]
    objective = GeneratorObjective(model(), FaceDiscriminator(TINY), replace(OPTIONS, closes_references=False))
    for second in (batch.second_references, lacking, batch.faces[:0]):
        objective.measure_mouths(Copies(TINY), [batch._replace(second_references=second)])
    for drawn, true, references, redrawn, other in seen:
        assert (drawn == references).all() and (redrawn == other).all() and other.shape == true.shape
    first, others = [0, len(batch.faces)], [i for i in range(2 * len(batch.faces)) if i % len(batch.faces)]
    (*_, paired), (_, true, *_, partly), (*_, alone) = seen
    assert (paired != seen[0][2]).any() and (paired[first] != true[first]).any()
    assert (partly[first] == paired[first]).all() and (partly[others] == true[others]).all()
    assert (alone == true).all()


def test_what_comes_through_of_a_reference_is_a_loss(tmp_path: Path) -> None:
    windows = WindowSampler(open_dataset(pairs(tmp_path)), WindowSampling(pair_share=1.0), has_second=True)
    batch = windows.draw_plain(0)
    region = (..., slice(15, 22), slice(6, 18))  # of faces of 24 pixels
    difference = (batch.references - batch.second_references)[region].abs().mean()
    assert difference > 0.05

    class Shows(FaceGenerator):
        """Draws a share of the reference."""

        def __init__(self, share: float) -> None:
            super().__init__(TINY)
            self.share = torch.nn.Parameter(torch.tensor(share))

        def forward(
            self, sound: torch.Tensor, pose: torch.Tensor, identity: torch.Tensor, audio: torch.Tensor | None = None
        ) -> torch.Tensor:
            return self.share * identity

    def loss(share: float, weight: float) -> tuple[torch.Tensor, dict[str, float]]:
        weights = LossWeights(pixel=0.0, perceptual=0.0, sync=0.0, triplet=0.0, adversarial=0.0, reference=weight)
        options = replace(OPTIONS, closes_references=False, loss_weights=weights)
        return GeneratorObjective(model(), FaceDiscriminator(TINY), options).loss(Shows(share), batch)

    for share in (1.0, 0.25, 0.0):
        total, parts = loss(share, 3.0)
        assert parts["reference"] == pytest.approx(share * float(difference), abs=1e-6)
        assert float(total.detach()) == pytest.approx(3 * share * float(difference), abs=1e-6)
        assert parts["pixel"] == loss(share, 0.0)[1]["pixel"], "of the first reference alone"
    assert "reference" not in loss(1.0, 0.0)[1]


def test_the_generator_hears_phones_itself_where_avsyncnet_does(data: Path) -> None:
    hears = replace(HEARS, audio="phonetic", audio_rows=phonetic_features.ROWS, audio_columns=21)
    shown = TalkingFaceModel(AVSyncNet(hears), FaceGenerator(TINY))
    sound = find_sound_windows(hears)
    batch = WindowSampler(open_dataset(data), WindowSampling(windows=2), sound=sound).draw(0)
    assert batch.sounds.shape == (2, 5, phonetic_features.ROWS, 21)
    heard: list[torch.Tensor] = []

    class Listens(FaceGenerator):
        def forward(
            self, sound: torch.Tensor, pose: torch.Tensor, identity: torch.Tensor, audio: torch.Tensor | None = None
        ) -> torch.Tensor:
            assert audio is not None
            heard.append(audio)
            return super().forward(sound, pose, identity, audio)

    size = replace(TINY, own_sound=6, audio_rows=phonetic_features.ROWS, audio_columns=21)
    GeneratorObjective(shown, FaceDiscriminator(TINY), OPTIONS).loss(Listens(size), batch)
    assert torch.equal(heard[0], batch.sounds.flatten(0, 1))


def test_sizes_that_do_not_go_together(tmp_path: Path) -> None:
    torch.manual_seed(0)
    other = FaceGenerator(FaceGeneratorSize(32, 4, 8, 16))
    path = talking_face_file.save(tmp_path / "silent.safetensors", TalkingFaceModel(AVSyncNet(HEARS), other))
    data = talkers(tmp_path / "faces")
    with pytest.raises(UsageError, match="the generator has 32 pixels, the dataset 24"):
        train("stabilized", tmp_path / "out.safetensors", data=data, silent=path, settings=OPTIONS, threads=1)
    only = talking_face_file.save(tmp_path / "talking.safetensors", TalkingFaceModel(AVSyncNet(HEARS), None, other))
    with pytest.raises(UsageError, match="no silent-lip generator"):
        train("stabilized", tmp_path / "out.safetensors", data=data, silent=only, settings=OPTIONS, threads=1)
    assert not (tmp_path / "out.safetensors").exists()


def test_trainings_go_on_from_a_model(tmp_path: Path, data: Path) -> None:
    """With a rate of zero and an average that follows at once, the weights are those it began with."""
    torch.manual_seed(1)
    begun = TalkingFaceModel(AVSyncNet(HEARS), FaceGenerator(TINY), FaceGenerator(TINY))
    model_file = talking_face_file.save(tmp_path / "begun.safetensors", begun)
    sync = sync_scorer.write_weights(tmp_path / "sync.safetensors", AVSyncNet(HEARS), {"seed": 0})
    still = replace(OPTIONS, loop=replace(LOOP, steps=1, learning_rate=0.0))
    given = {"data": data, "settings": still, "threads": 1}

    def same(made: FaceGenerator | None, first: FaceGenerator | None) -> bool:
        assert made is not None and first is not None
        pairs = zip(made.parameters(), first.parameters(), strict=True)
        return all(torch.allclose(a, b, atol=1e-3) for a, b in pairs)

    further = train("silent-lip", tmp_path / "further.safetensors", sync=sync, begin=model_file, **given)
    assert same(talking_face_file.load(further).silent, begun.silent)
    new = train("silent-lip", tmp_path / "new.safetensors", sync=sync, **given)
    assert not same(talking_face_file.load(new).silent, begun.silent)
    both = train("stabilized", tmp_path / "both.safetensors", silent=new, begin=model_file, **given)
    assert same(talking_face_file.load(both).talking, begun.talking)
    again = train("stabilized", tmp_path / "again.safetensors", silent=new, begin=both, **given)
    assert set(talking_face_file.load(again).notes) > {"silent-lip", "stabilized", "stabilized, earlier"}
    assert "## stabilized, earlier" in render_training_card(again, "lipdub train")
    late, leads = {**given, "settings": replace(still, lead=0.02)}, list[float]()
    begin_windows = WindowSampler.__init__

    def note_lead(*args: Any, **kwargs: Any) -> None:
        leads.append(kwargs.get("lead", 0.0))
        begin_windows(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WindowSampler, "__init__", note_lead)
        ahead = train("stabilized", tmp_path / "ahead.safetensors", silent=new, begin=both, **late)
        after = train("stabilized", tmp_path / "after.safetensors", silent=new, begin=ahead, **given)
        train("stabilized", tmp_path / "late.safetensors", silent=new, begin=ahead, **late)
    assert [talking_face_file.load(file).lead for file in (both, ahead, after)] == [0, 0.02, 0.02]
    assert leads[1::2] == [0.0, 0.02, 0.0], "the data of the second training are in time"
    assert "lead" in render_training_card(after, "lipdub train")
    for first, parent in (("talking", begun.talking), ("silent", begun.silent)):
        given["settings"] = replace(still, begin=first)
        out = train("stabilized", tmp_path / f"{first}.safetensors", silent=model_file, **given)
        assert same(talking_face_file.load(out).talking, parent)
    alone = talking_face_file.save(tmp_path / "alone.safetensors", replace(begun, talking=None))
    given["settings"] = replace(still, begin="talking")
    with pytest.raises(UsageError, match="no talking-face generator to begin with"):
        train("stabilized", tmp_path / "none.safetensors", silent=alone, **given)
    only = talking_face_file.save(tmp_path / "only.safetensors", replace(begun, silent=None))
    with pytest.raises(UsageError, match="no silent-lip generator"):
        train("silent-lip", tmp_path / "none.safetensors", sync=sync, begin=only, **given)
    with pytest.raises(UsageError, match="no talking-face generator"):
        train("stabilized", tmp_path / "none.safetensors", silent=new, begin=new, **given)
