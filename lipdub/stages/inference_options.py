"""The options of every stage that runs networks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from lipdub.errors import EnvironmentFailure, UsageError
from lipdub.options import option
from lipdub.stages.stage_options import StageOptions

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
CPU_BACKENDS = ("auto", "none", "openvino")
PANEL = "Networks"


@dataclass(frozen=True)
class InferenceOptions(StageOptions):
    """How networks compute. A run gives the same values to every stage that has them.

    ``cpu_backend`` may carry a version once it is resolved: ``"openvino 2026.4.1"``.
    """

    precision: str = option(
        "auto",
        "--precision",
        help="Arithmetic of the networks. auto: fp32 on a CPU, half precision on a GPU.",
        choices=PRECISIONS,
        panel=PANEL,
    )
    cpu_backend: str = option(
        "auto",
        "--cpu-backend",
        help="What runs networks on a CPU. auto: OpenVINO if it is installed, otherwise PyTorch.",
        metavar="|".join(CPU_BACKENDS),
        panel=PANEL,
        aliases=("--accel",),
        old_names=("accel",),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        name, _, version = self.cpu_backend.partition(" ")
        if name not in CPU_BACKENDS or (version and name != "openvino"):
            raise UsageError(
                f"--cpu-backend {self.cpu_backend!r} is unknown", hint=f"It takes {', '.join(CPU_BACKENDS)}."
            )


def resolve_inference_options(options: Any, *, uses_networks: bool) -> Any:
    """Replace "auto" by what it resolves to on this machine, so that it becomes part of the cache key.

    Methods without networks always get the defaults.

    Args:
        options: A stage's options with the fields of :class:`InferenceOptions`.
        uses_networks: Whether the method runs networks.

    Raises:
        EnvironmentFailure: OpenVINO is asked for and not installed.
    """
    if not uses_networks:
        return replace(options, precision="auto", cpu_backend="none")
    name, _, version = options.cpu_backend.partition(" ")
    if name == "none":
        return options
    installed = openvino_version()
    if name == "openvino" and not version and installed is None:  # with a version, an earlier run resolved it
        raise EnvironmentFailure(
            "OpenVINO is not installed", hint="pip install 'lipdub[accel]', or --cpu-backend none."
        )
    return replace(options, cpu_backend=f"openvino {installed}" if installed is not None else "none")


def openvino_version() -> str | None:
    """Return the version of OpenVINO that is installed; None where it is not."""
    from importlib import metadata

    try:
        return metadata.version("openvino")
    except metadata.PackageNotFoundError:
        return None
