"""Keep the packages that lipdub uses from reporting to their makers, and from leaving files behind.

Some send usage data over the network as soon as they are imported, and keep an identifier in the user's cache.
Importing `lipdub` calls `switch_off_telemetry`, so it comes before any of them. Child processes inherit the
environment. A variable that the user has set keeps its value.

ONNX Runtime and OpenVINO are imported only through this module: both have reports that no variable switches off.
PyTorch's compiler, which nothing here uses, makes a folder when it is imported.
"""

from __future__ import annotations

import os
import sys
from typing import Any

ORT_SWITCH = "ORT_DISABLE_TELEMETRY"

SWITCHES = {
    ORT_SWITCH: "1",  # ONNX Runtime, from 1.29 on
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, which accelerate depends on
}
"""Environment variables that switch reports off, with the value that does."""

_COMPILER_CACHE = "TORCHINDUCTOR_CACHE_DIR"
_REPORTS_WANTED = ("0", "false")  # values of the switch with which a user asks for reports


def switch_off_telemetry() -> None:
    """Set the variables of `SWITCHES` that are empty or not set, for this process and its children."""
    for name, value in SWITCHES.items():
        if not os.environ.get(name):
            os.environ[name] = value


def import_onnxruntime() -> Any:
    """Import ONNX Runtime, which reports nothing about the networks that it runs from then on.

    Its reports on Windows do not ask the environment, and another part of the process may have imported it before.
    """
    import onnxruntime

    if os.environ.get(ORT_SWITCH, "").lower() not in _REPORTS_WANTED:
        onnxruntime.disable_telemetry_events()
    return onnxruntime


def import_openvino() -> Any:
    """Import OpenVINO without the package that reports its use; OpenVINO does without if it is missing."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def import_torch_compiler() -> None:
    """Import PyTorch's compiler without the folder that it makes among the temporary files.

    PyTorch's optimizers and torchvision import it. Call this before either is used.
    """
    if "torch._dynamo" in sys.modules:
        return
    import tempfile

    is_chosen = _COMPILER_CACHE in os.environ
    os.environ.setdefault(_COMPILER_CACHE, tempfile.gettempdir())  # a folder that is there
    try:
        import torch._dynamo  # noqa: F401
    finally:
        if not is_chosen:
            del os.environ[_COMPILER_CACHE]
