"""Options of `lipdub lips`: declared once, understood by their former names."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest

from lipdub.engine.lip_options import LipFormat, LipOptions, LipOptionValues, make_lip_options
from lipdub.errors import UsageError


def test_the_typed_signature_has_the_declared_options_and_two_former_names() -> None:
    assert set(LipOptionValues.__annotations__) == {field.name for field in fields(LipOptions)} | {"text", "talker"}


def test_the_formats_are_those_that_can_be_written() -> None:
    from lipdub.options import options_of
    from lipdub.speech.lip_trajectory import FORMATS, FPS_LIMITS

    assert get_args(LipFormat) == tuple(FORMATS)
    fps = next(item for item in options_of(LipOptions) if item.name == "fps")
    assert (fps.declared.low, fps.declared.high) == FPS_LIMITS


def test_former_names_are_understood() -> None:
    options = make_lip_options({"text": Path("a.txt"), "talker": "v.mp4", "landmarks": 68})
    assert (options.transcript, options.video) == ("a.txt", "v.mp4")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"landmarks": 98}, "--landmarks 98"),
        ({"video": "v.mp4"}, "--video is for landmarks"),
        ({"video": "v.mp4", "landmarks": 68, "fps": 25}, "exclude each other"),
        ({"fps": 0}, "--fps must be 1 to 1000"),
        ({"format": "yaml"}, "--format"),
        ({"colour": 1}, "no option 'colour'"),
        ({"video": "a.mp4", "talker": "b.mp4", "landmarks": 68}, "'video' is given twice"),
    ],
)
def test_wrong_options_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_lip_options(values)  # type: ignore[arg-type]


def test_declaring_options_imports_nothing_heavy() -> None:
    import subprocess

    code = (
        "import sys, lipdub.engine.lip_options; print([m for m in ('numpy', 'torch', 'av', 'cv2') if m in sys.modules])"
    )
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert completed.stdout.strip() == "[]"
