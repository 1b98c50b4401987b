"""Pictures and faces against themselves."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from lipdub.metrics import csim, ifc, lmd, lpips
from lipdub.metrics.psnr import psnr, sum_squared_errors
from lipdub.metrics.ssim import ssim
from lipdub.networks.compat import fix_torchvision
from tests.metrics.made_pictures import make_face, make_pictures

torch = pytest.importorskip("torch")
fix_torchvision()  # the libraries compared with import it


def test_a_clip_against_itself_is_perfect() -> None:
    frames, faces = make_pictures(3, 0), np.stack([make_face(k) for k in range(3)])
    error, count = sum_squared_errors(frames, frames)
    assert psnr(error, count) == math.inf
    assert ssim(frames[0, ..., 0], frames[0, ..., 0]) == pytest.approx(1, abs=1e-6)
    steps = np.array([ifc.frame_distance(a, b) for a, b in pairwise(frames)])
    assert ifc.ifc(steps, steps) == 0 and (steps > 50).all()
    assert not lmd.lmd(faces, faces).pixels.any() and not lmd.f_lmd(faces, faces).eyes.any()
    assert lpips.lpips_distance(lpips_network(), frames, frames) == pytest.approx(np.zeros(3), abs=1e-9)
    assert csim.csim(np.eye(4)[:2], np.eye(4)[:2]) == pytest.approx(np.ones(2))


def lpips_network(seed: int = 0, backbone: str = "alex") -> torch.nn.Module:
    pytest.importorskip("lpips")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = lpips.build_lpips(backbone)
        for parameter in network.net.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
    return network
