"""Files of StyleGAN models go out and come back, and others are refused."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file

from lipdub.errors import WeightsError
from lipdub.networks.latent_encoder import LatentEncoder
from lipdub.networks.stylegan2 import StyleGAN2Size
from lipdub.weights import stylegan_file
from lipdub.weights.stylegan_file import StyleGANModel

if TYPE_CHECKING:
    from pathlib import Path

SIZE = StyleGAN2Size(16, 6, 1, 1 / 64)


def model() -> StyleGANModel:
    torch.manual_seed(0)
    return StyleGANModel(SIZE, SIZE.build(), LatentEncoder(SIZE, torch.randn(6), 2.0), {"remark": "of nobody"})


def test_round_trip(tmp_path: Path) -> None:
    given = model()
    path = stylegan_file.save(tmp_path / "a" / "model.safetensors", given)
    again = stylegan_file.load(path)
    assert again.size == SIZE and again.notes == given.notes and again.encoder.widen == 2.0
    for one, other in ((given.generator, again.generator), (given.encoder, again.encoder)):
        assert not other.training
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
            assert torch.equal(a.half().float(), b)
    assert stylegan_file.read_description(path) == {"size": asdict(SIZE), "widen": 2.0, "notes": given.notes}
    assert "of nobody" in stylegan_file.FAMILY.describe(path)


def test_others_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    for told in ("{}", '{"size": 3, "widen": 1}', '{"size": {"pixels": 3}, "widen": 1}', '{"size": {"pixels": 8}}'):
        save_file({"a": torch.zeros(1)}, other, {stylegan_file.FORMAT: told})
        with pytest.raises(WeightsError, match="does not say"):
            stylegan_file.load(other)
    save_file({"a": torch.zeros(1)}, other, {"lipdub-face-prior-1": "{}"})
    with pytest.raises(WeightsError, match="holds no StyleGAN model"):
        stylegan_file.load(other)
