"""What happens where a stage meets the limits of the machine."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from lipdub.errors import EnvironmentFailure, LipdubError, wrap_os_error

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def explain_failures(name: str) -> Iterator[None]:
    """Turn errors of the machine into errors for people. Lipdub's own pass."""
    try:
        yield
    except LipdubError:
        raise
    except MemoryError as error:
        raise EnvironmentFailure(f"{name} ran out of memory", hint="Close other programs and run again.") from error
    except OSError as error:
        raise wrap_os_error(error, doing=f"go on with {name}, at") from error
    except RuntimeError as error:
        if "out of memory" not in str(error).lower():
            raise
        raise EnvironmentFailure(f"{name} ran out of device memory", hint="Use --device cpu.") from error
