"""L-Net and its Fourier convolutions: parity with the published network, and a small copy."""

from __future__ import annotations

import pytest
import torch

from lipdub.networks.blocks_ffc import FourierUnit
from lipdub.networks.lnet import LNet
from tests.networks.parity import fill


def test_small_copy() -> None:
    network, mel, face = _small()
    with torch.inference_mode():
        out = network(mel, face)
        assert out.shape == (2, 3, 96, 96) and bool(out.isfinite().all())
        assert torch.equal(out, network(mel, face))
        assert torch.allclose(out[1:], network(mel[1:], face[1:]), atol=1e-4)
    # pinned after parity held
    found = [*out[0, :, 20, 41].tolist(), *out[1, :, 70, 50].tolist()]
    wanted = [0.38827, 0.50889, 0.41023, 0.5121, 0.59395, 0.41494]
    assert found == pytest.approx(wanted, abs=1e-4)


def test_sound_face_and_reference_reach_the_picture() -> None:
    network, mel, face = _small()
    with torch.inference_mode():
        base = network(mel[:1], face[:1])
        masked, reference = face.split(3, 1)
        others = {
            "sound": network(mel[1:], face[:1]),
            "masked": network(mel[:1], torch.cat((masked[1:], reference[:1]), 1)),
            "reference": network(mel[:1], torch.cat((masked[:1], reference[1:]), 1)),
        }
    for name, other in others.items():
        assert float((other - base).abs().max()) > 0.01, name


def test_the_spectrum_is_that_of_the_picture() -> None:
    """A unit that keeps what is not negative gives back a picture whose real and imaginary parts are not."""
    unit = FourierUnit(2).eval()
    with torch.inference_mode():
        unit.conv_layer.weight.copy_(torch.eye(4)[:, :, None, None])
        spectrum = torch.rand(1, 2, 6, 5, generator=torch.Generator().manual_seed(0)).to(torch.complex64)
        x = torch.fft.irfft2(spectrum, s=(6, 8), norm="ortho")
        symmetric = torch.fft.rfft2(x, norm="ortho")
        assert float(symmetric.real.min()) > 0 and float(symmetric.imag.abs().max()) < 1e-5
        assert torch.allclose(unit(x), x, atol=1e-4)


def _small() -> tuple[LNet, torch.Tensor, torch.Tensor]:
    """A small network with filled weights, mel windows and faces."""
    network = LNet(width=4, blocks=2, descriptor=32)
    fill(network)
    seeded = torch.Generator().manual_seed(0)
    mel = 8 * torch.rand(2, 1, 80, 16, generator=seeded) - 4
    return network, mel, torch.rand(2, 6, 96, 96, generator=seeded)
