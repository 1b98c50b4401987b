"""What the parts share: what they are given, what they give back, and what they need."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

Row = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """Where and how the parts run.

    Attributes:
        device: PyTorch's name of the device that is measured, "cuda" or "cpu".
        tiny: small networks and a few steps, to test the parts themselves.
        out: folder of the results.
        scratch: folder of what is not kept.
        pack: a file of `tests.gpu.pack`; None: drawn talkers.
        changes: settings of the trainings as "NAME.KEY=VALUE", over those of `tests.gpu.base`.
    """

    device: str
    tiny: bool
    out: Path
    scratch: Path
    pack: Path | None = None
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clock:
    """The time that a part may take.

    Attributes:
        minutes: all of it.
        began: `time.monotonic` at its begin.
    """

    minutes: float
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> float:
        """What is left of the time."""
        return 60 * self.minutes - (time.monotonic() - self.began)

    def is_over(self) -> bool:
        """Whether no further piece may begin."""
        return self.seconds_left <= 0


@dataclass
class Report:
    """What came of a part.

    Attributes:
        rows: of its table; all have the columns of the first.
        faults: bounds that were exceeded, and what failed.
        notes: what was left out, and why.
        figures: what is in the JSON file alone.
    """

    rows: list[Row] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: Row = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """A part of the whole.

    Attributes:
        name: its name on the command line.
        minutes: how long it may take by default.
        packages: importable names that it cannot do without.
    """

    name: str
    minutes: float
    packages: tuple[str, ...]

    def run(self, setting: Setting, clock: Clock) -> Report:
        """Do it: `run` of the module of its name, which is imported now."""
        module = importlib.import_module(f"tests.gpu.{self.name}")
        report: Report = module.run(setting, clock)
        return report


@contextlib.contextmanager
def attempt(report: Report, title: str) -> Iterator[None]:
    """Put what a piece of a part raises into the report, so that the next piece runs all the same."""
    import torch

    try:
        yield
    except ModuleNotFoundError as error:
        report.notes.append(f"{title}: left out, {error.name} is not installed")
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        report.notes.append(f"{title}: left out, too little memory")
    except Exception as error:
        traceback.print_exc()
        report.faults.append(f"{title}: {type(error).__name__}: {error}")


def list_missing(packages: Iterable[str]) -> list[str]:
    """The packages that are not installed."""
    return [name for name in packages if importlib.util.find_spec(name) is None]


def format_table(rows: Sequence[Row]) -> str:
    """Rows as lines of text with aligned columns."""
    if not rows:
        return "  nothing"
    cells = [list(rows[0]), *([_format(row.get(name)) for name in rows[0]] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True)))
        for r in cells
    ]
    return "\n".join(f"  {line}".rstrip() for line in lines)


def _format(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
