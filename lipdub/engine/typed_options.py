"""Writes the typed signature of `lipdub.dub` from the declarations of the options.

``python -m lipdub.engine.typed_options`` writes ``dub_options.py`` anew; a test holds that file to the declarations.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from lipdub.engine.run_options import run_options
from lipdub.workspace.atomic_files import write_atomically

if TYPE_CHECKING:
    from lipdub.options import Option

HEAD = '''"""The options of `lipdub.dub`, typed. Made by ``python -m lipdub.engine.typed_options``; do not edit."""

from __future__ import annotations

import os  # noqa: TC003 - type hints are read at run time
from typing import Literal, TypedDict


class DubOptions(TypedDict, total=False):
    """Options of a whole run. What is not given has the default of its stage."""

'''


def render_dub_options() -> str:
    """Return the source of ``dub_options.py``."""
    lines = [f"    {name}: {_type_text(item.option)}" for name, item in run_options().items()]
    return HEAD + "\n".join(lines) + "\n"


def _type_text(option: Option) -> str:
    kind = option.value_type
    if option.choices and kind is str:
        quoted = ", ".join(json.dumps(choice) for choice in option.choices)
        text = f"Literal[{quoted}]"
    elif kind is str and option.declared.metavar in ("FILE", "NAME|FILE", "WHO"):
        text = "str | os.PathLike[str]"
    else:
        text = kind.__name__
    return f"{text} | None" if type(None) in get_args(option.annotation) else text


def main() -> None:
    """Write the file."""
    write_atomically(Path(__file__).with_name("dub_options.py"), render_dub_options().encode())


if __name__ == "__main__":
    main()
