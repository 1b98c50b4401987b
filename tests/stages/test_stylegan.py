"""The recipe `stylegan` on the drawn sample, with a tiny model that is filled by rule."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lipdub
from lipdub.engine.pipeline import run_job
from lipdub.stages.base import Cancelled
from lipdub.weights import stylegan_file
from lipdub.workspace.folder import KEPT_FOLDER
from lipdub.workspace.stage_store import StageStore
from tests.sample import SPEECH
from tests.stages import tiny_networks

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.progress import Event

pytestmark = pytest.mark.slow

RANGE = {"start": 0.4, "end": 0.9}  # a dozen frames, more than a chunk
FRAMES = 12
STEPS = ("frames tuned on", "frames edited", "frames stitched")


@pytest.fixture(scope="module")
def job(short_talker: Path, tmp_path_factory: pytest.TempPathFactory) -> lipdub.Job:
    folder = tmp_path_factory.mktemp("stylegan")
    model = stylegan_file.save(folder / "small.safetensors", tiny_networks.stylegan_model())
    options = {
        "sync": {"model": model, "length": "video", **tiny_networks.STYLEGAN_STEPS, **RANGE},
        "enhance": {"method": "none"},
        "paste-back": {"lossless": True, "preset": "ultrafast"},
    }
    return lipdub.Job(
        short_talker, SPEECH, out=folder / "out.mkv", workspace=folder / "ws", recipe="stylegan", threads=1,
        options=options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def dubbed(job: lipdub.Job) -> Path:
    result = run_job(job)
    assert result.recipe == "stylegan" and result.workspace is not None
    return result.workspace


def digests(workspace: Path) -> dict[str, str]:
    """Digests of what the steps keep, and of the stage's crops."""
    folders = (workspace / KEPT_FOLDER, workspace / "sync")
    files = (path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(workspace)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name == "tuning" or path.name.startswith("c.")
    }


def changed(job: lipdub.Job, workspace: Path, folder: Path, **options: Any) -> set[str]:
    """Dub with other options in a copy of a workspace, and tell which kept stores were made anew."""
    copy = folder / "copy"
    shutil.copytree(workspace, copy)
    sync = {**job.options["sync"], **options}
    run_job(replace(job, workspace=copy, out=folder / "out.mkv", options={**job.options, "sync": sync}))
    before, after = digests(workspace), digests(copy)
    kept = {name for name in before | after if before.get(name) != after.get(name) and name.startswith(KEPT_FOLDER)}
    return {name.split("/")[1] for name in kept}


def test_each_step_keeps_what_it_made(dubbed: Path) -> None:
    kept = {path.name: StageStore(path, path.name) for path in (dubbed / KEPT_FOLDER).iterdir()}
    inversion, editing = kept["stylegan-inversion-1"], kept["stylegan-editing-1"]
    assert inversion.open("crops").shape == (FRAMES, 32, 32, 3)
    assert inversion.open("pivots").shape == editing.open("latents").shape == (FRAMES, 8, 8)
    edited, pivots = (array.read(0, FRAMES) for array in (editing.open("latents"), inversion.open("pivots")))
    assert np.isfinite(edited).all() and (np.abs(edited - pivots).max((1, 2)) > 0).all()
    assert (dubbed / KEPT_FOLDER / "stylegan-stitching-1" / "tuning").exists()


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_was_stopped_in_any_step_ends_as_an_unbroken_one(
    step: str, job: lipdub.Job, dubbed: Path, tmp_path: Path
) -> None:
    seen: list[Event] = []

    def in_step() -> bool:
        return any(event.kind == "progress" and event.unit == step for event in seen)

    stopped = replace(job, workspace=tmp_path / "ws", out=tmp_path / "out.mkv")
    with pytest.raises(Cancelled):
        run_job(stopped, seen.append, cancelled=in_step)
    assert in_step()
    run_job(stopped)
    assert digests(tmp_path / "ws") == digests(dubbed)


@pytest.mark.parametrize(
    ("options", "anew"),
    [
        ({"strength": 0.5}, {"stylegan-editing-1", "stylegan-stitching-1"}),
        ({"mask": "box"}, {"stylegan-stitching-1"}),
        ({"tuning_steps": 2}, {"stylegan-inversion-1", "stylegan-editing-1", "stylegan-stitching-1"}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_only_what_depends_on_an_option_is_made_anew(
    options: dict[str, Any], anew: set[str], job: lipdub.Job, dubbed: Path, tmp_path: Path
) -> None:
    assert changed(job, dubbed, tmp_path, **options) == anew


def test_a_damaged_piece_is_made_again_alike(job: lipdub.Job, dubbed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(dubbed, copy)
    shutil.rmtree(copy / "sync" / "crops")
    (copy / KEPT_FOLDER / "stylegan-inversion-1" / "tuning").write_bytes(b"half of it")
    (copy / KEPT_FOLDER / "stylegan-editing-1" / "latents" / "c.1.0.0").write_bytes(b"damaged")
    run_job(replace(job, workspace=copy, out=tmp_path / "out.mkv"))
    assert digests(copy) == digests(dubbed)
