from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("moderngl")
pytest.importorskip("meshoptimizer")

from lipdub.errors import EnvironmentFailure
from lipdub.training.rendered.clips import Studio
from lipdub.training.rendered.face_map import measure_mouth
from lipdub.training.rendered.motion import place_joints
from lipdub.training.rendered.renderer import Camera, Light, Renderer, Stage, Surface, make_camera
from lipdub.training.rendered.things import make_glasses, make_hand, make_microphone
from tests.training.rendered.made_head import write_head

if TYPE_CHECKING:
    from collections.abc import Iterator


STAGE = Stage((Light((0, 0.3, 1), (1, 1, 1)), Light((1, 0, 1), (0.2, 0.2, 0.2)), Light((-1, 0, 1), (0.2, 0.2, 0.2))))
STILL = np.repeat(np.eye(4)[None], 4, 0)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    try:
        made = Studio(write_head(tmp_path_factory.mktemp("head") / "Ann.glb"), 192)
    except EnvironmentFailure as error:
        pytest.skip(str(error))
    yield made
    made.close()


def _camera(renderer: Renderer) -> Camera:
    middle = renderer.head.eyes.mean(0) - [0, 0.04, 0]
    return make_camera(middle, middle + np.array([0, 0, 0.8]), 5.0)


def test_camera_projects() -> None:
    camera = make_camera(np.zeros(3), np.array([0.0, 0.0, 2.0]), 2.0)
    at = camera.project(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), 100, 100)
    assert at == pytest.approx(np.array([[50, 50], [100, 50], [50, 0]]), abs=1e-9)


def test_a_shape_moves_the_picture_and_the_measure(studio: Studio) -> None:
    renderer = studio.renderer
    renderer.set_background(np.full((2, 2, 3), 90, np.uint8))
    pictures = []
    for shape in ({}, {"AE_AA": 1.0}, {}):
        renderer.pose(shape)
        pictures.append(renderer.draw(_camera(renderer), STILL, STAGE, Surface()))
    assert pictures[0].shape == (192, 192, 3)
    assert (pictures[0] == pictures[2]).all()
    changed = np.abs(pictures[0].astype(int) - pictures[1]).max(2) > 20
    assert changed.any()
    assert not changed[:80].any()  # the eyes stay
    rest, _ = measure_mouth(renderer, studio.features, {})
    open_, _ = measure_mouth(renderer, studio.features, {"AE_AA": 1.0})
    assert rest == pytest.approx(0, abs=1e-3)
    assert open_ > 0.15


def test_the_face_is_found_where_it_is(studio: Studio) -> None:
    eyes = studio.features.landmarks[[33, 133, 362, 263]].mean(0)
    assert eyes == pytest.approx([0.5, 0.5 - 0.035 / 0.26], abs=0.03)


def test_turns_and_things(studio: Studio) -> None:
    renderer, head = studio.renderer, studio.head
    rng = np.random.default_rng(1)
    joints = place_joints(head, np.radians([15.0, 5.0, 3.0]), np.zeros(2))
    assert np.allclose(joints[1][:3, :3] @ joints[1][:3, :3].T, np.eye(3))
    renderer.pose({})
    for things in ([make_hand(head, rng, np.full(3, 0.5))], make_microphone(head, rng)):
        renderer.set_things([make_glasses(head, rng), *things])
        mask = renderer.draw_occluders(_camera(renderer), joints)
        assert 0.01 < mask.mean() < 0.5
        renderer.draw(_camera(renderer), joints, STAGE, Surface())
    renderer.set_things([])
    assert not renderer.draw_occluders(_camera(renderer), joints).any()


def test_paint_and_beard_show(studio: Studio) -> None:
    renderer = studio.renderer
    renderer.pose({})
    plain = renderer.draw(_camera(renderer), STILL, STAGE, Surface()).astype(int)
    green = np.zeros((8, 8, 4), np.uint8)
    green[:, :, 1], green[:, :, 3] = 255, 255
    renderer.set_paint(green)
    painted = renderer.draw(_camera(renderer), STILL, STAGE, Surface()).astype(int)
    assert (painted - plain)[90:130, 80:110, 1].mean() > 10
    renderer.set_paint(np.zeros((1, 1, 4), np.uint8))
    renderer.set_beard(green)
    bearded = renderer.draw(_camera(renderer), STILL, STAGE, Surface(beard_length=0.01)).astype(int)
    assert np.abs(bearded - plain).mean() > 3
    renderer.set_beard(np.zeros((1, 1, 4), np.uint8))
