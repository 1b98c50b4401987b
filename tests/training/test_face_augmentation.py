"""Random changes to faces and spectrograms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lipdub.training.face_augmentation import (
    FaceAugmentation,
    VoiceAugmentation,
    augment_faces,
    augment_spectrograms,
    change_tint,
)

SAME = VoiceAugmentation(0.0, 0.0, 0.0, 0.0)


def test_changes_keep_range_and_shape_and_are_a_clips_own() -> None:
    frame = torch.rand(3, 1, 64, 128, generator=torch.Generator().manual_seed(0)).expand(3, 5, 64, 128)
    views = augment_faces(frame, 48, 96, np.random.default_rng(0), replace(FaceAugmentation(), noise=0.0))
    assert views.shape == (3, 5, 48, 96) and views.min() >= 0 and views.max() <= 1
    assert torch.equal(views[:, 0], views[:, 4])  # a face that does not move does not begin to
    assert (views[0] - views[1]).abs().mean() > 0.05
    silent = torch.full((2, 3, 80, 16), -4.0)
    heard = torch.rand(2, 3, 80, 16, generator=torch.Generator().manual_seed(0)) * 4 - 2
    changed = augment_spectrograms(heard, np.random.default_rng(0), VoiceAugmentation())
    assert changed.shape == heard.shape and changed.abs().max() <= 4
    assert torch.equal(augment_spectrograms(silent, np.random.default_rng(1), SAME), silent)
    torch.testing.assert_close(augment_spectrograms(heard, np.random.default_rng(1), SAME), heard)


def test_a_shorter_vocal_tract_raises_all_tones() -> None:
    tone = torch.full((1, 1, 80, 16), -4.0)
    tone[:, :, 40] = 2.0

    class Lowest:
        def uniform(self, low, high, count=None):
            return low if count is None else np.zeros(count)

    changed = augment_spectrograms(tone, Lowest(), VoiceAugmentation(tract=0.2, tone=0.0, louder=0.0, softer=0.0))  # type: ignore[arg-type]
    assert int(changed[0, 0, :, 0].argmax()) > 42


def test_a_tint_is_the_same_in_all_pictures_of_a_clip_and_differs_between_colours() -> None:
    pictures = torch.rand(2, 4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) + 0.1
    tinted = change_tint(pictures, np.random.default_rng(0), replace(FaceAugmentation(), tint=0.2))
    ratio = tinted / pictures
    factors = ratio[:, :1, :, :1, :1]
    torch.testing.assert_close(ratio, factors.expand_as(ratio))
    assert factors.min() >= 0.8 and factors.max() <= 1.2 and len(factors.unique()) == 6


def test_without_a_tint_no_random_number_is_drawn() -> None:
    pictures, rng = torch.rand(1, 1, 3, 2, 2), np.random.default_rng(0)
    assert change_tint(pictures, rng, FaceAugmentation()) is pictures
    assert rng.random() == np.random.default_rng(0).random()
