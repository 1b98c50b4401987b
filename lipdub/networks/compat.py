"""Makes basicsr, gfpgan and facexlib importable beside a torch and torchvision they were not written for.

Two things stand in their way. basicsr 1.4.2 imports ``torchvision.transforms.functional_tensor``, which newer
torchvisions no longer have. And a torchvision built for CUDA cannot load its own operators into a torch without
CUDA (the usual pair from a registry on a machine with no GPU), and then fails while it is imported.
Call :func:`fix_torchvision` before importing any of them. Nothing else in lipdub needs it.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_MOVED = "torchvision.transforms.functional_tensor"
_registered: list[Any] = []  # a torch.library.Library lives only as long as something refers to it


def fix_torchvision() -> None:
    """Prepares this process, once; further calls do nothing. Raises ImportError where torch or torchvision is not
    there.
    """
    if _MOVED in sys.modules:
        return
    if "torchvision" not in sys.modules and not _operators_load():
        _declare_operators()
    import torchvision.transforms.functional as functional

    if _registered:
        import torchvision.ops.boxes as boxes

        # it looks for the compiled extension by name; the operators are there, from elsewhere
        boxes._assert_has_ops = lambda: None
    if importlib.util.find_spec(_MOVED) is None:
        module = types.ModuleType(_MOVED)
        module.rgb_to_grayscale = functional.rgb_to_grayscale  # type: ignore[attr-defined]
        sys.modules[_MOVED] = module


def _operators_load() -> bool:
    """Whether torchvision's compiled operators fit this torch."""
    import torch

    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        raise ImportError("torchvision is not installed")
    try:
        for library in sorted(Path(found.origin).parent.glob("_C*.so")):
            torch.ops.load_library(str(library))
    except OSError:
        return False
    return True


def _declare_operators() -> None:
    """The operators torchvision must find when it is imported; of them only nms is ever called here."""
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.impl("nms", nms, "CompositeExplicitAutograd")
    _registered.append(library)


def nms(boxes: torch.Tensor, scores: torch.Tensor, threshold: float) -> torch.Tensor:
    """Greedy non-maximum suppression: indices of the boxes (n, 4: x0, y0, x1, y1) that are kept, best score first.

    A box goes when its intersection over union with a kept one is above the threshold.
    """
    import torch

    order = scores.argsort(descending=True, stable=True)
    corners = boxes[order]
    area = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    alive = torch.ones(len(order), dtype=torch.bool, device=boxes.device)
    for i in range(len(order)):
        if not alive[i]:
            continue
        low = torch.maximum(corners[i, :2], corners[i + 1 :, :2])
        high = torch.minimum(corners[i, 2:], corners[i + 1 :, 2:])
        shared = (high - low).clamp(min=0).prod(1)
        union = area[i] + area[i + 1 :] - shared
        alive[i + 1 :] &= ~(shared > threshold * union)
    return order[alive]
