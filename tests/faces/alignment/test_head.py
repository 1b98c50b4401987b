"""Crops that follow a head smoothly."""

from __future__ import annotations

import cv2
import numpy as np

from lipdub.faces import landmarks
from lipdub.faces.alignment import ffhq, head


def test_the_crop_follows_the_head_smoothly() -> None:
    face = landmarks.to_ibug(landmarks.load_neutral_face())[:, :2] * 60
    path = np.column_stack([np.linspace(200, 500, 50), np.full(50, 180.0)])
    shaken = path + np.random.default_rng(0).normal(0, 2, path.shape)
    points = face[None] + shaken[:, None]
    points[20:23] = np.nan
    boxes = head.fit_boxes(head.fit_squares(points), 0.04)
    assert (boxes[20:23] == 0).all()
    seen = np.flatnonzero(boxes[:, 2] > 0)
    assert len(seen) == 47
    side = boxes[seen, 2] - boxes[seen, 0]
    assert (side == boxes[seen, 3] - boxes[seen, 1]).all() and np.ptp(side) <= 2
    assert abs(side.mean() - ffhq.measure_side(ffhq.fit_corners(face))) < 2
    middle = (boxes[seen, :2] + boxes[seen, 2:]) / 2
    inner = slice(12, -12)
    off = middle[inner] - (ffhq.fit_corners(face).mean(0) + path[seen][inner])
    assert np.abs(off).max() < 2.5 and np.abs(np.diff(middle[inner, 1])).max() <= 2
    corner = boxes[5, :2].astype(float) - 0.5
    assert np.allclose(head.align(boxes[5]).to_crop(corner), -0.5)


def test_a_part_of_a_crop_lies_where_it_does_in_the_frame() -> None:
    y, x = np.mgrid[:300, :400]
    frame = np.stack([x / 2, y / 2, (x + y) / 4], 2).astype(np.float32)
    box, wanted = np.array([40, 10, 300, 270]), np.array([90, 60, 210, 240])
    crop = head.align(box).crop(frame)
    straight = cv2.resize(frame[60:240, 90:210], (96, 96), interpolation=cv2.INTER_LINEAR)
    assert np.abs(head.align(box).crop_box(crop, wanted, 96) - straight)[2:-2, 2:-2].max() < 0.3
