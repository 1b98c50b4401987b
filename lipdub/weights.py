"""Where network weights lie."""

from __future__ import annotations

import sys
from pathlib import Path

from lipdub.errors import WeightsError


def shipped(name: str) -> Path:
    """A weight file that comes with lipdub: in the checkout's ``weights/``, or where an install put it.

    Raises:
        WeightsError: the file is not there.
    """
    places = [Path(__file__).resolve().parent.parent / "weights", Path(sys.prefix) / "share" / "lipdub" / "weights"]
    for place in places:
        if (place / name).is_file():
            return place / name
    raise WeightsError(f"the weights {name} that come with lipdub are missing", hint="Install lipdub again.")
