"""The small compatibility module: its suppression agrees with the definition, and the frozen packages import."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import torch

from lipdub.networks.compat import nms


def _by_definition(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        a = boxes[i]
        for j in kept:
            b = boxes[j]
            shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
            union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
            if shared > threshold * union:
                break
        else:
            kept.append(int(i))
    return kept


def test_suppression_keeps_what_the_definition_keeps() -> None:
    rng = np.random.default_rng(4)
    low = rng.uniform(0, 60, (80, 2))
    boxes = np.concatenate([low, low + rng.uniform(5, 40, (80, 2))], 1).astype(np.float32)
    scores = rng.permutation(80).astype(np.float32)
    for threshold in (0.2, 0.5, 0.9):
        got = nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold).tolist()
        assert got == _by_definition(boxes, scores, threshold)
    assert nms(torch.zeros(0, 4), torch.zeros(0), 0.5).tolist() == []


def test_importing_lipdub_touches_none_of_them() -> None:
    code = (
        "import sys, lipdub, lipdub.networks.compat; "
        "print(sorted({'torch', 'torchvision', 'basicsr', 'gfpgan'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
