"""Memory that is free but still belongs to this process."""

from __future__ import annotations

import sys
from contextlib import suppress


def release_free_memory() -> None:
    """Return freed memory to the system, between pieces of work that use memory differently.

    This matters on Linux only, where the C library keeps what was freed in small pieces.
    """
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):  # the C library is not glibc
            ctypes.CDLL(None).malloc_trim(0)
