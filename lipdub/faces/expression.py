"""The expression that redrawn faces get: 64 coefficients of the 3DMM, by name, from a file, or from a picture.

The named ones are those of Cheng et al., VideoReTalking: Audio-based Lip Synchronization for Talking Head Video Editing
In the Wild (SIGGRAPH Asia 2022): the first rows of two arrays of the published expression.mat.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipdub.errors import InputError, UsageError, WeightsError

if TYPE_CHECKING:
    from lipdub.arrays import F32, Array

NAMED_EXPRESSIONS = {"neutral": "expression_center", "smile": "expression_mouth"}
PICTURE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
ARRAY_SUFFIXES = (".npy", ".npz")
EXPRESSION_LENGTH = 64


def parse_expression(expression: str) -> str | Path:
    """Parse the option: the name of an expression, or a file.

    Raises:
        UsageError: it is neither.
    """
    if expression in NAMED_EXPRESSIONS:
        return expression
    path = Path(expression)
    if path.suffix.lower() not in (*ARRAY_SUFFIXES, *PICTURE_SUFFIXES) or not path.is_file():
        names = " nor ".join(NAMED_EXPRESSIONS)
        raise UsageError(
            f"--expression {expression} is neither {names}, nor a picture or an array that exists",
            hint=f"It takes a face's picture, or {EXPRESSION_LENGTH} coefficients in a .npy or .npz file.",
        )
    return path


def check_expression(expression: str) -> None:
    """Check an expression as far as this is quick: the option, and an array's content.

    Raises:
        UsageError: the option is neither a name nor a file.
        InputError: the array is no expression.
    """
    path = parse_expression(expression)
    if isinstance(path, Path) and path.suffix.lower() in ARRAY_SUFFIXES:
        read_expression_array(path)


def read_expression_array(path: Path) -> F32:
    """Read the expression (64,) float32 of a .npy file, or of a .npz file with a single array.

    Raises:
        InputError: the file cannot be read or holds no expression.
    """
    try:
        values = np.load(path, allow_pickle=False)
        if isinstance(values, np.lib.npyio.NpzFile):
            with values as arrays:
                if len(arrays.files) != 1:
                    raise InputError(f"{path} holds {len(arrays.files)} arrays, not one expression")
                values = arrays[arrays.files[0]]
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read as an array: {error}") from error
    fault = _find_fault(values)
    if fault:
        raise InputError(f"{path} is no expression: {fault}")
    coefficients: F32 = values.astype(np.float32).reshape(EXPRESSION_LENGTH)
    return coefficients


def read_template(path: Path, name: str) -> F32:
    """Read a named expression (64,) float32 of the published expression.mat.

    Raises:
        WeightsError: the file is damaged or lacks the expression.
    """
    from scipy.io import loadmat

    array = NAMED_EXPRESSIONS[name]
    try:
        values = np.atleast_2d(loadmat(path)[array])[0]
    except Exception as error:  # SciPy fails in many ways on files that are torn or hold something else.
        raise WeightsError(f"{path.name} has no {array}: {error}", hint="Get it again.") from error
    fault = _find_fault(values)
    if fault:
        raise WeightsError(f"{array} of {path.name} is no expression: {fault}", hint="Get it again.")
    coefficients: F32 = values.astype(np.float32)
    return coefficients


def _find_fault(values: Array) -> str:
    """Describe why values are no expression; "" when they are one."""
    if values.size != EXPRESSION_LENGTH or values.dtype.kind not in "fiu":
        return f"it has {values.size} values of type {values.dtype}, not {EXPRESSION_LENGTH} numbers"
    return "" if np.isfinite(values).all() else "not all of its numbers are finite"
