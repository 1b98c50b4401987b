"""What every trainable network must do, and that a new one is a file and a line."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from typer.testing import CliRunner

import lipdub
from lipdub.cli.train import build_app
from lipdub.errors import UsageError
from lipdub.faces import landmarks
from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize
from lipdub.networks.landmark_heatmaps import HeatMapSize
from lipdub.options import options_of
from lipdub.speech.encoder import WIDTH
from lipdub.speech.phone_features import MELS
from lipdub.training import grid, sync_scorer
from lipdub.training.face_windows import WindowSampling
from lipdub.training.loop import LoopOptions
from lipdub.training.phone_windows import ENCODER_FRAMES
from lipdub.training.phone_windows import WINDOW_FRAMES as PHONE_FRAMES
from lipdub.training.registry import TRAINABLES, make_arguments, train
from lipdub.training.talking_face import GeneratorOptions
from lipdub.weights import face_prior_file, talking_face_file
from lipdub.weights.talking_face_file import TalkingFaceModel
from lipdub.workspace.stage_store import StageStore
from tests.sample import SPEECH
from tests.sounds import write_silence
from tests.training.datasets import SIZE, talkers
from tests.training.g4g import small as g4g_small
from tests.training.style_lip_sync import small

if TYPE_CHECKING:
    from collections.abc import Callable

HEARS = AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True)
DRAWS = FaceGeneratorSize(SIZE, 4, 8, 16)
LOOP = LoopOptions(steps=4, learning_rate=2e-3, warmup=1, save_every=2, report_every=1)
ON_DATASETS = (
    "sync-scorer", "face-features", "landmark-heatmaps", "silent-lip", "stabilized", "face-prior", "stylelipsync",
    "stylegan", "g4g",
)  # fmt: skip
CLIPS = 16  # of the little GRID; one is held out


class StoppedError(Exception):
    """What a test stops a training with."""


@dataclass(frozen=True)
class Tiny:
    """A training of a few seconds: its arguments, and its settings from the default ones."""

    arguments: dict[str, Any]
    shrink: Callable[[Any], Any]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A drawn dataset, untrained networks, and a little GRID whose landmarks and sounds are in the cache."""
    folder = tmp_path_factory.mktemp("inputs")
    torch.manual_seed(0)
    sync = sync_scorer.write_weights(folder / "sync.safetensors", AVSyncNet(HEARS), {"seed": 0})
    model = TalkingFaceModel(AVSyncNet(HEARS), FaceGenerator(DRAWS))
    silent = talking_face_file.save(folder / "silent.safetensors", model)
    return {
        "data": talkers(folder / "faces", clips=4, frames=12, held_out={3}),
        "sync": sync,
        "silent": silent,
        "meshes": small.talkers(folder / "meshes", clips=4, held_out={3}),
        "crops": g4g_small.talkers(folder / "crops", clips=4, held_out={3}),
        "prior": face_prior_file.save(folder / "prior.safetensors", small.prior()),
        "grid": _make_grid(folder / "grid", folder / "cache"),
        "cache": folder / "cache",
    }


def _make_grid(folder: Path, cache: Path) -> Path:
    rng = np.random.default_rng(0)
    names = [f"clip{i:02d}" for i in range(CLIPS)]
    words = {name: [[0.0, 1.0, "sil"], [1.0, 2.0, "bin"], [2.0, 3.0, "sil"]] for name in names}
    folder.mkdir()
    (folder / "words.json").write_text(json.dumps(words))
    neutral = landmarks.load_neutral_face()
    shapes = np.repeat(neutral[None, None], CLIPS, 0).repeat(grid.FRAMES, 1)
    shapes[:, :, 14, 1] -= rng.uniform(0, 0.2, (CLIPS, grid.FRAMES))
    for corner, side in ((61, -1), (291, 1), (78, -1), (308, 1)):
        shapes[:, :, corner, 0] += side * rng.uniform(0, 0.1, (CLIPS, grid.FRAMES))
    pixels = (shapes * (60, -60, 60) + (128, 128, 0)).astype(np.float32)
    grid.save_arrays(cache / "grid_landmarks.npz", names=np.array(names), landmarks=pixels)
    sounds = rng.normal(0, 0.05, (CLIPS, 48_000)).astype(np.float32)
    grid.save_arrays(cache / "grid_audio.npz", names=np.array(names), audio=sounds)
    return folder


def _synthesised(workdir: Path) -> None:
    """Put synthesised speech into a work folder, so that no synthesiser is needed."""
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.integers(0, 6, (2, PHONE_FRAMES // 10)), 10, axis=1).astype(np.uint8)
    power = rng.normal(-30, 10, (2, PHONE_FRAMES, MELS)).astype(np.float16)
    encoded = rng.normal(0, 1, (2, ENCODER_FRAMES, WIDTH)).astype(np.float16)
    grid.save_arrays(workdir / "speech-2-0.npz", arr_0=encoded, arr_1=power, arr_2=labels)


def tiny(name: str, inputs: dict[str, Path], workdir: Path) -> Tiny:
    """Give a tiny training of each network."""
    on_faces = {"data": inputs["data"], "workdir": workdir}
    sampling = WindowSampling(windows=2)
    if name == "lip-motion":
        _synthesised(workdir)
        return Tiny({"workdir": workdir}, lambda s: replace(s, windows=2, steps=2, batch=2, channels=8))
    if name in ("mouth-response", "neutral-face"):
        return Tiny({"grid": inputs["grid"], "workdir": inputs["cache"]}, lambda s: s)
    if name == "sync-scorer":
        return Tiny(on_faces, lambda s: replace(s, size=HEARS, clips=2, moments=3, variants=2, loop=LOOP))
    if name == "face-features":
        return Tiny(on_faces, lambda s: replace(s, widths=(4, 4, 8), faces=4, loop=LOOP))
    on_meshes = {"data": inputs["meshes"], "workdir": workdir}
    if name == "landmark-heatmaps":
        return Tiny(on_meshes, lambda s: replace(s, size=HeatMapSize(8, 8, 2), faces=4, loop=LOOP))
    if name == "stylegan":
        return Tiny({**on_meshes, "prior": inputs["prior"]}, lambda s: replace(s, loop=LOOP))
    if name == "face-prior":
        return Tiny(on_meshes, lambda s: replace(s, size=small.DECODER, faces=4, fid_pictures=8, loop=LOOP))
    if name == "stylelipsync":
        arguments = {**on_meshes, "prior": inputs["prior"], "sync": inputs["sync"]}
        return Tiny(arguments, lambda s: replace(s, size=small.SIZE, sampling=sampling, loop=LOOP))
    if name == "g4g":
        crops = {"data": inputs["crops"], "workdir": workdir}
        return Tiny(crops, lambda s: replace(s, size=g4g_small.SIZE, judge_layers=2, sampling=sampling, loop=LOOP))
    source = {"silent-lip": "sync", "stabilized": "silent"}[name]
    arguments = {**on_faces, source: inputs[source]}
    return Tiny(arguments, lambda s: replace(s, size=DRAWS, sampling=sampling, loop=LOOP))


def settings_of(name: str, case: Tiny) -> Any:
    trainable = TRAINABLES.get(name)
    return case.shrink(trainable.settings(make_arguments(trainable, case.arguments)))


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize("name", TRAINABLES.names())
def test_it_trains_and_writes_a_card(name: str, inputs: dict[str, Path], tmp_path: Path) -> None:
    case = tiny(name, inputs, tmp_path / "work")
    out = tmp_path / "out" / f"{name}.safetensors"
    written = train(name, out, settings=settings_of(name, case), threads=1, **case.arguments)
    assert written == out
    assert out.stat().st_size > 0
    card = TRAINABLES.get(name).render_card(out, f"lipdub train {name}")
    assert card.startswith(f"# {name}\n")
    assert f"`lipdub train {name}`" in card
    assert "data: " in card
    sheet = {out.with_suffix(".png")} if name == "face-prior" else set()
    assert set(out.parent.iterdir()) == {out} | sheet  # nothing half-written is left


@pytest.mark.slow
@pytest.mark.usefixtures("weights_folder")
def test_networks_that_hear_phones_are_trained_and_dub(
    inputs: dict[str, Path], tmp_path: Path, short_talker: Path
) -> None:
    """The trainings one after the other, and their file in `lipdub run`."""
    sampling = WindowSampling(windows=2)
    sync = TRAINABLES.get("sync-scorer")
    default = sync.settings(make_arguments(sync, {"data": inputs["data"]})).size
    size = replace(HEARS, audio=default.audio, audio_rows=default.audio_rows, audio_columns=default.audio_columns)
    tiny_sync = sync_scorer.SyncScorerOptions(size=size, clips=2, moments=3, variants=2, loop=LOOP)
    generators = GeneratorOptions(size=DRAWS, own_sound=6, sampling=sampling, loop=LOOP)
    given: dict[str, Any] = {"data": inputs["data"], "threads": 1}
    heard = train("sync-scorer", tmp_path / "sync.safetensors", settings=tiny_sync, **given)
    silent = train("silent-lip", tmp_path / "silent.safetensors", sync=heard, settings=generators, **given)
    both = train("stabilized", tmp_path / "both.safetensors", silent=silent, settings=generators, **given)
    model = talking_face_file.load(both)
    assert model.sync.size == size and model.silent is not None and model.talking is not None
    assert model.silent.size == model.talking.size
    assert model.talking.size.own_sound == 6 and model.talking.size.audio_columns == size.audio_columns
    assert (inputs["data"] / "features").is_dir()  # what is heard is kept beside the shards
    how: dict[str, Any] = {"recipe": "stabilized", "model": both, "end": 0.4, "length": "shortest"}
    drawn = []
    for speech in (SPEECH, write_silence(tmp_path / "silence.wav", 1.0)):
        result = lipdub.dub(short_talker, speech, tmp_path / f"{speech.stem}.mkv", **how)
        assert result.workspace is not None
        drawn.append(StageStore(result.workspace / "sync", "sync").open("crops").read(0, 6).astype(int))
    assert drawn[0][..., 3].max() == 255 and np.abs(drawn[0] - drawn[1]).max() > 0  # what is said counts


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_DATASETS)
def test_a_stopped_training_gives_the_same_file(name: str, inputs: dict[str, Path], tmp_path: Path) -> None:
    whole = tiny(name, inputs, tmp_path / "whole")
    settings = settings_of(name, whole)
    expected = train(name, tmp_path / "a.safetensors", settings=settings, threads=1, **whole.arguments)
    broken = tiny(name, inputs, tmp_path / "broken")

    def stop(text: str) -> None:
        if "step 3," in text:
            raise StoppedError

    out = tmp_path / "b.safetensors"
    with pytest.raises(StoppedError):
        train(name, out, settings=settings, threads=1, progress=stop, **broken.arguments)
    assert not out.exists()
    said: list[str] = []
    train(name, out, settings=settings, threads=1, progress=said.append, **broken.arguments)
    assert not any("step 2," in line for line in said)  # it resumed at step 2
    assert out.read_bytes() == expected.read_bytes()


@pytest.mark.parametrize("name", TRAINABLES.names())
def test_it_is_declared_whole(name: str) -> None:
    trainable = TRAINABLES.get(name)
    assert trainable.name == name
    assert trainable.summary.endswith(".")
    declared = {item.name: item for item in options_of(trainable.arguments)}
    assert set(declared) == {field.name for field in fields(trainable.arguments)}
    assert all(item.declared.flags and item.declared.help.endswith(".") for item in declared.values())
    for missing in trainable.required:
        given = {other: Path("x") for other in trainable.required if other != missing}
        with pytest.raises(UsageError, match=f"needs --{missing}"):
            make_arguments(trainable, given)


@pytest.mark.parametrize("name", ON_DATASETS)
def test_its_settings_can_be_changed_and_shown(name: str, inputs: dict[str, Path]) -> None:
    case = tiny(name, inputs, inputs["cache"])
    trainable = TRAINABLES.get(name)
    arguments = make_arguments(trainable, {**case.arguments, "changes": ["loop.steps=7"], "max_minutes": 3.0})
    settings = trainable.settings(arguments)
    assert is_dataclass(settings)
    assert settings.loop.steps == 7  # type: ignore[attr-defined]
    assert settings.loop.max_minutes == 3.0  # type: ignore[attr-defined]


TOY = '''
"""A toy: it learns one number."""

from dataclasses import dataclass
from lipdub.options import option
from lipdub.training.trainable import Trainable, TrainArguments


@dataclass(frozen=True)
class ToyArguments(TrainArguments):
    """What the toy takes."""

    target: float = option(3.0, "--target", help="The number to learn.", low=0, high=9)


class Toy(Trainable):
    """Learns a number."""

    name = "toy"
    summary = "Train a toy."
    arguments = ToyArguments

    def train(self, out, arguments, settings, runtime):
        """Write the number."""
        runtime.report("toy: step 1")
        out.write_text(str(arguments.target))
        return out

    def render_card(self, path, command):
        """Say what it learnt."""
        return f"# toy\\n\\nMade by `{command}`: {path.read_text()}\\n"


TOY = Toy()
'''


def test_a_new_network_is_a_file_and_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy_trainable.py").write_text(TOY)
    monkeypatch.syspath_prepend(str(tmp_path))
    runner = CliRunner()
    with TRAINABLES.added("toy", "toy_trainable:TOY"):
        app = build_app()
        listed = runner.invoke(app, ["--help"]).output
        assert "toy" in listed
        assert "Train a toy." in listed
        helped = runner.invoke(app, ["toy", "--help"]).output
        assert "--target" in helped
        assert "The number to learn." in helped
        out = tmp_path / "toy.safetensors"
        done = runner.invoke(app, ["toy", "--target", "4", "-o", str(out)])
        assert done.exit_code == 0, done.output
        assert out.read_text() == "4.0"
        assert out.with_suffix(".md").read_text().endswith("4.0\n")
        assert runner.invoke(app, ["toy", "--target", "10"]).exit_code == 2
    sys.modules.pop("toy_trainable", None)
    assert "toy" not in TRAINABLES
    assert "Train a toy." not in runner.invoke(build_app(), ["--help"]).output
