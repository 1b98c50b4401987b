"""The whole of it in small, on the processor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from lipdub.weights import style_lip_sync_file, talking_face_file
from tests.gpu import run
from tests.gpu.base import MAX_BYTES, STYLE_TRAININGS, TRAININGS
from tests.gpu.parts import Clock, Part, Report, Setting, format_table

if TYPE_CHECKING:
    from pathlib import Path


class Given(Part):
    """A part that gives a report, or raises an error."""

    def run(self, setting: Setting, clock: Clock) -> Report:
        if self.name == "broken":
            raise RuntimeError("it broke")
        return {"fine": Report(rows=[{"what": "a", "value": 0.5}]), "bad": Report(faults=["too much"])}[self.name]


def given(*names: str, packages: tuple[str, ...] = ()) -> list[Part]:
    return [Given(name, 1.0, packages) for name in names]


def read(folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((folder / "gpu.json").read_text())["parts"]
    return result


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting("cpu", True, tmp_path, tmp_path)


@pytest.mark.slow
def test_all_parts_in_small(tmp_path: Path) -> None:
    patience = ["--minutes", *(f"{part.name}=30" for part in run.PARTS)]  # others may have the processor
    assert run.main(["--device", "cpu", "--tiny", "--out", str(tmp_path), *patience]) == run.DONE
    parts = read(tmp_path)
    assert list(parts) == ["parity", "recipes", "steps", "base"]
    assert len(parts["parity"]["rows"]) > 20
    assert [row["recipe"] for row in parts["recipes"]["rows"]] == ["wav2lip", "stabilized", "retalking"]
    assert all(row["frames"] == 2 for row in parts["recipes"]["rows"])
    assert len(parts["steps"]["rows"]) == 6
    names = [training.name for training in TRAININGS]
    assert [row["network"] for row in parts["base"]["rows"]] == names
    for name in names:
        assert (tmp_path / f"{name}.md").read_text().startswith(f"# {name}\n")
        assert 0 < (tmp_path / f"{name}.safetensors").stat().st_size < MAX_BYTES
    assert talking_face_file.load(tmp_path / "stabilized.safetensors").talking is not None
    assert "stabilized: step 2" in (tmp_path / "train.log").read_text()
    assert len(list(tmp_path.iterdir())) <= 8


@pytest.mark.slow
def test_the_style_networks_train_where_they_are_asked_for(tmp_path: Path) -> None:
    asked = ["style", "--device", "cpu", "--tiny", "--out", str(tmp_path), "--minutes", "style=30"]
    assert run.main(asked) == run.DONE
    names = [training.name for training in STYLE_TRAININGS]
    assert [row["network"] for row in read(tmp_path)["style"]["rows"]] == names
    for name in names:
        assert (tmp_path / f"{name}.md").read_text().startswith(f"# {name}\n")
        assert 0 < (tmp_path / f"{name}.safetensors").stat().st_size < MAX_BYTES
    assert style_lip_sync_file.load(tmp_path / "stylelipsync.safetensors").mask == "pose"
    assert "stylelipsync: step 2" in (tmp_path / "style.log").read_text()


def test_the_larger_networks_fit_into_a_file() -> None:
    from dataclasses import replace

    from lipdub.networks.avsyncnet import AVSyncNet
    from lipdub.networks.face_generator import FaceGenerator
    from lipdub.training.config import apply_settings
    from lipdub.training.sync_scorer import SyncScorerOptions, hear_feature
    from lipdub.training.talking_face import GeneratorOptions

    sync, silent, _ = TRAININGS
    hears = hear_feature(apply_settings(SyncScorerOptions(), None, sync.changes).size, "phonetic")
    options = apply_settings(GeneratorOptions(), None, silent.changes)
    sound = {"sound": hears.features, "audio_rows": hears.audio_rows, "audio_columns": hears.audio_columns}
    draws = replace(options.size, pixels=128, own_sound=options.own_sound, **sound)
    with torch.device("meta"):
        networks = [AVSyncNet(hears), FaceGenerator(draws), FaceGenerator(draws)]
    values = sum(value.numel() for network in networks for value in network.state_dict().values())
    assert 0.9 * MAX_BYTES < 2 * values < 0.99 * MAX_BYTES  # float16


def test_a_part_that_fails_does_not_stop_the_next(setting: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.run_parts(given("broken", "fine"), setting, {}) == run.FAULT
    parts = read(setting.out)
    assert parts["broken"]["faults"] == ["RuntimeError: it broke"]
    assert parts["fine"]["rows"] == [{"what": "a", "value": 0.5}]
    assert "FAULT: RuntimeError: it broke" in capsys.readouterr().out


def test_a_bound_that_is_exceeded_is_told_by_the_exit_code(setting: Setting) -> None:
    assert run.run_parts(given("fine"), setting, {}) == run.DONE
    assert run.run_parts(given("bad", "fine"), setting, {}) == run.FAULT


class Slow(Part):
    """A part that tells how many minutes it was given, as if it had taken twice its own."""

    def run(self, setting: Setting, clock: Clock) -> Report:
        object.__setattr__(clock, "began", clock.began - 120 * self.minutes)
        return Report(rows=[{"minutes": clock.minutes}])


def test_the_next_part_has_less_time_after_a_slow_one(setting: Setting) -> None:
    parts = [Slow("one", 1.0, ()), Slow("two", 4.0, ()), Slow("three", 2.0, ())]
    run.run_parts(parts, setting, {})
    given_minutes = [part["rows"][0]["minutes"] for part in read(setting.out).values()]
    assert given_minutes == pytest.approx([1, 3, 1], abs=0.01)


def test_missing_packages_are_named(setting: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.run_parts(given("fine", packages=("torch", "no_such_one")), setting, {}) == run.INCOMPLETE
    assert "left out: no_such_one not installed" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--out", str(tmp_path / "out")]) == run.INCOMPLETE
    assert "finds no CUDA device" in capsys.readouterr().out and not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", [["speed"], ["--minutes", "parity"], ["--minutes", "a=1"], ["--pack", "none.zip"]])
def test_wrong_arguments(wrong: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run.main(wrong)


def test_time_that_is_over(setting: Setting) -> None:
    from tests.gpu import base, parity, recipes, steps

    assert sum(part.minutes for part in run.PARTS) <= 7
    over = Clock(0.0)
    for module in (parity, recipes, steps, base):
        report = module.run(setting, over)
        assert not report.rows and report.notes and all("no time is left" in note for note in report.notes)


def test_a_table_has_the_columns_of_its_rows() -> None:
    rows = [{"what": "a", "value": 0.123456}, {"what": "longer", "value": None}]
    assert format_table(rows).splitlines() == ["  what    value", "  a       0.123", "  longer      -"]
