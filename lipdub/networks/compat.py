"""Makes basicsr, gfpgan and facexlib importable with newer versions of torch and torchvision.

There are two obstacles. basicsr 1.4.2 imports ``torchvision.transforms.functional_tensor``, which newer torchvisions do
not have. And a torchvision built for CUDA cannot load its operators into a torch without CUDA, and then fails at
import. Registries often deliver this pair on a machine without a GPU.

Call `fix_torchvision` before importing any of the three. Nothing else in lipdub needs it.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipdub.offline import import_torch_compiler

if TYPE_CHECKING:
    import torch

_MOVED = "torchvision.transforms.functional_tensor"
_registered: list[Any] = []  # a torch.library.Library lives only as long as something refers to it


def fix_torchvision() -> None:
    """Prepare this process; further calls do nothing.

    Raises:
        ImportError: torch or torchvision is not installed.
    """
    if _MOVED in sys.modules:
        return
    import_torch_compiler()
    if "torchvision" not in sys.modules and not _operators_load():
        _declare_operators()
    import torchvision.transforms.functional as functional

    if _registered:
        import torchvision.ops.boxes as boxes

        # It looks for the compiled extension by name, but the operators were declared here.
        boxes._assert_has_ops = lambda: None  # noqa: SLF001
    if importlib.util.find_spec(_MOVED) is None:
        module = types.ModuleType(_MOVED)
        module.rgb_to_grayscale = functional.rgb_to_grayscale  # type: ignore[attr-defined]
        sys.modules[_MOVED] = module


def _operators_load() -> bool:
    """Return whether torchvision's compiled operators fit this torch."""
    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ImportError("torchvision is not installed")
    try:
        for library in sorted(Path(spec.origin).parent.glob("_C*.so")):
            torch.ops.load_library(str(library))
    except OSError:
        return False
    return True


def _declare_operators() -> None:
    """Declare the operators that torchvision looks for at import. Only nms is ever called here."""
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.impl("nms", nms, "CompositeExplicitAutograd")
    _registered.append(library)


def nms(boxes: torch.Tensor, scores: torch.Tensor, threshold: float) -> torch.Tensor:
    """Return the indices of the boxes that greedy non-maximum suppression keeps, best score first.

    Args:
        boxes: (n, 4), x0, y0, x1, y1.
        scores: (n).
        threshold: A box is dropped if its intersection over union with a better one is above it.
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
