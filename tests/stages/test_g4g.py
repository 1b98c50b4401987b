"""The recipe `g4g` on the drawn sample, with a small model that is filled by rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lipdub
from lipdub.errors import InputError, UsageError
from lipdub.faces.alignment.tall_face import ZOOM, cut_columns
from lipdub.faces.talker_tables import UnitColumn, UnitTable
from lipdub.faces.unit_selection import Inventory
from lipdub.media.read import read_frames
from lipdub.stages import g4g as model_stage
from lipdub.stages.inference import run_network
from lipdub.stages.paste_back import paste
from lipdub.stages.paste_back.options import PasteBackOptions
from lipdub.stages.sync import g4g, plan
from lipdub.stages.sync.store import CropStore
from lipdub.weights import g4g_file
from lipdub.workspace.stage_store import StageStore
from tests.sample import SPEECH
from tests.stages import tiny_networks

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow_fixtures("dubbed")

END = 0.6  # seconds that are dubbed


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return g4g_file.save(tmp_path_factory.mktemp("models") / "small.safetensors", tiny_networks.g4g_model())


def dub(video: Path, folder: Path, model: Path, **options: Any) -> lipdub.Result:
    given = {"end": END, "lossless": True, "preset": "ultrafast", "length": "shortest", **options}
    return lipdub.dub(
        video, SPEECH, folder / "out.mkv", recipe="g4g", enhance="none", model=model, overwrite=True, **given
    )


@pytest.fixture(scope="module")
def dubbed(model: Path, short_talker: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return dub(short_talker, tmp_path_factory.mktemp("dub"), model)


def crops(result: Any) -> Any:
    array = StageStore(result.workspace / "sync", "sync").open("crops")
    return array.read(0, len(array))


def test_the_result_says_what_drew_it(dubbed: Any) -> None:
    assert dubbed.recipe == "g4g"
    assert any("small.safetensors: filled by rule" in note for note in dubbed.notes)
    methods = [stage.summary.get("method") for stage in dubbed.stages]
    assert methods[1:4] == ["rest", "g4g", "none"]


def test_it_says_where_a_talker_hardly_moves(
    dubbed: Any, short_talker: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not any("hardly moves its mouth" in note for note in dubbed.notes)
    monkeypatch.setattr(plan, "WEAK_TRUST", 2.0)
    assert any("hardly moves its mouth" in note for note in dub(short_talker, tmp_path, model, end=0.1).notes)


def test_only_what_the_mask_hides_is_changed(short_talker: Path, dubbed: Any) -> None:
    sync, options = StageStore(dubbed.workspace / "sync", "sync"), PasteBackOptions()
    changed = 0
    for k, (before, after) in enumerate(zip(read_frames(short_talker), read_frames(dubbed.out), strict=False)):
        box, weight = paste.pasted_region(CropStore(sync), k, options)
        planes = list(zip(before.picture.planes, after.picture.planes, strict=True))
        if box[2] <= box[0]:
            assert all(np.array_equal(a, b) for a, b in planes)
            continue
        for (a, b), mask in zip(planes, before.picture.untouched_masks(box, weight), strict=True):
            assert np.array_equal(a[mask], b[mask])
        changed += any((a != b).any() for a, b in planes)
    assert changed >= 10


def test_strength_moves_the_landmarks(model: Path, short_talker: Path, tmp_path: Path, dubbed: Any) -> None:
    still = dub(short_talker, tmp_path, model, strength=0.0)
    assert (crops(still) != crops(dubbed)).any()
    again = dub(short_talker, tmp_path, model, strength=0.0, feather=0.1)
    assert [stage.action for stage in again.stages][:4] == ["reuse"] * 4


def test_a_mask_that_the_model_did_not_learn_is_told(model: Path, short_talker: Path, tmp_path: Path) -> None:
    boxed = dub(short_talker, tmp_path, model, mask="box")
    assert any("learnt to draw inside the mask pose: with box expect" in note for note in boxed.notes)


def test_references_are_units_near_in_pose_and_of_usual_width_spread_from_shut_to_open() -> None:
    table = np.zeros((60, len(UnitColumn)), np.float32)
    table[:, UnitColumn.FRAME] = np.arange(60) + 100
    table[:, UnitColumn.OPENING] = np.tile(np.linspace(0, 0.3, 20), 3)
    table[:, UnitColumn.WIDTH] = 0.8
    table[20:40, UnitColumn.YAW] = 30  # turned away
    table[40:, UnitColumn.WIDTH] = 0.6  # pursed
    table[:, [UnitColumn.RED, UnitColumn.GREEN, UnitColumn.BLUE]] = 100
    table[:, [UnitColumn.BROW_RED, UnitColumn.BROW_GREEN, UnitColumn.BROW_BLUE]] = 120
    has_place = np.ones(60, bool)
    has_place[0] = False  # no crop lies there
    units = Inventory.from_table(UnitTable(table))
    chosen = g4g._choose_references(units, has_place, np.zeros(2), 5)
    openings = table[chosen - 100, UnitColumn.OPENING]
    assert (chosen < 120).all() and 100 not in chosen and len(set(chosen.tolist())) == 5
    assert (np.diff(openings) > 0).all() and openings[-1] > 0.27 and openings[0] < 0.05
    turned = g4g._choose_references(units, has_place, np.array([30.0, 0.0]), 5)
    assert ((turned >= 120) & (turned < 140)).all()


def test_a_talker_without_a_crop_cannot_be_drawn(
    model: Path, short_talker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(g4g, "has_placement", lambda places: np.zeros(len(places), bool))
    with pytest.raises(InputError, match="well enough to be a reference"):
        dub(short_talker, tmp_path, model)


@pytest.mark.parametrize("enlarged", [1, 2])
def test_drawn_squares_are_the_sources_beside_the_crop(enlarged: int) -> None:
    content = tiny_networks.g4g_model()
    size, rng = content.network.size, np.random.default_rng(0)
    small, full = size.height, enlarged * size.height

    def pair() -> model_stage.CropPair:
        little = rng.integers(0, 256, (small, small, 3), np.uint8)
        return model_stage.CropPair(little, rng.integers(0, 256, (full, full, 3), np.uint8) if enlarged > 1 else little)

    faces, references = [pair(), pair()], [pair() for _ in range(size.references)]
    masks = np.zeros((2, small, small), np.uint8)
    masks[:, small // 2 : -4, 30:-30] = 1
    sounds = rng.standard_normal((2, size.audio_rows, size.audio_columns)).astype(np.float32)
    images = rng.integers(0, 256, (2, small, small), np.uint8)
    made = model_stage.draw_faces(content.network.eval(), size, sounds, faces, masks, references, images)
    assert made.shape == (2, full, full, 3) and made.dtype == np.float32
    columns = cut_columns(full)
    assert columns.stop - columns.start == enlarged * size.breadth
    for new, face in zip(made, faces, strict=True):
        beside = np.ones(full, bool)
        beside[columns] = False
        np.testing.assert_allclose(new[:, beside], face.full[:, beside] / 255, atol=1e-6)
    if enlarged == 1:
        inputs = [torch.from_numpy(sounds), *(_crops(part, size) for part in ([f.small for f in faces],))]
        inputs += [
            torch.from_numpy(masks[:, None, :, columns]).float(),
            _crops([r.small for r in references], size)[None].expand(2, -1, -1, -1, -1),
            torch.from_numpy(images[:, None, :, columns]).float() / 255,
        ]
        drawn = run_network(content.network, lambda network, *given: network(*given).faces, *inputs)
        np.testing.assert_allclose(made[:, :, columns], drawn.permute(0, 2, 3, 1).numpy().clip(0, 1), atol=1e-5)


def _crops(squares: list[Any], size: Any) -> Any:
    cut = np.stack(squares)[:, :, cut_columns(size.height)]
    return torch.from_numpy(cut).permute(0, 3, 1, 2).float() / 255


def test_the_full_side_is_the_footages_own() -> None:
    size = tiny_networks.g4g_model().network.size
    places = np.ones((3, 4))
    for eyes, side in ((10, size.height), (60, round(2.6 * ZOOM * 60)), (1000, 4 * size.height)):
        places[:, 2] = eyes
        assert g4g._choose_full_side(places, size) == side


def test_without_a_model_it_says_how_to_get_one(
    short_talker: Path, tmp_path: Path, weights_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises((UsageError, lipdub.errors.WeightsError), match=r"no G4G model nothing"):
        dub(short_talker, tmp_path, "nothing")  # type: ignore[arg-type]
