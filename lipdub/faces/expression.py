"""The expression that redrawn faces are given: 64 coefficients of the 3DMM, named, in a file, or of a pictured face.

The named ones are those of VideoReTalking (Cheng et al., SIGGRAPH Asia 2022): first rows of two arrays of its expression.mat.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lipdub.errors import InputError, UsageError, WeightsError

NAMED_EXPRESSIONS = {"neutral": "expression_center", "smile": "expression_mouth"}
PICTURE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
ARRAY_SUFFIXES = (".npy", ".npz")
EXPRESSION_LENGTH = 64


def parse_expression(expression: str) -> str | Path:
    """A named expression, or the file it is taken from. Raises UsageError."""
    if expression in NAMED_EXPRESSIONS:
        return expression
    path = Path(expression)
    if path.suffix.lower() not in (*ARRAY_SUFFIXES, *PICTURE_SUFFIXES) or not path.is_file():
        raise UsageError(
            f"--expression {expression} is neither {' nor '.join(NAMED_EXPRESSIONS)}, nor a picture or an array that exists",
            hint=f"It takes a face's picture, or {EXPRESSION_LENGTH} coefficients in a .npy or .npz file.",
        )
    return path


def check_expression(expression: str) -> None:
    """Reads what can be read of it at once. Raises UsageError, InputError."""
    path = parse_expression(expression)
    if isinstance(path, Path) and path.suffix.lower() in ARRAY_SUFFIXES:
        read_expression_array(path)


def read_expression_array(path: Path) -> np.ndarray:
    """The expression (64,) float32 in a .npy file, or in a .npz file of a single array. Raises InputError."""
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.lib.npyio.NpzFile):
            with found as arrays:
                if len(arrays.files) != 1:
                    raise InputError(f"{path} holds {len(arrays.files)} arrays, not one expression")
                found = arrays[arrays.files[0]]
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read as an array: {error}") from error
    fault = _find_fault(found)
    if fault:
        raise InputError(f"{path} is no expression: {fault}")
    return found.astype(np.float32).reshape(EXPRESSION_LENGTH)


def read_template(path: Path, name: str) -> np.ndarray:
    """A named expression (64,) float32 of the published expression.mat. Raises WeightsError."""
    from scipy.io import loadmat

    try:
        found = np.atleast_2d(loadmat(path)[NAMED_EXPRESSIONS[name]])[0]
    except Exception as error:  # scipy fails in many ways on files that are torn or hold something else
        raise WeightsError(f"{path.name} has no {NAMED_EXPRESSIONS[name]}: {error}", hint="Get it again.") from error
    fault = _find_fault(found)
    if fault:
        raise WeightsError(f"{NAMED_EXPRESSIONS[name]} of {path.name} is no expression: {fault}", hint="Get it again.")
    return found.astype(np.float32)


def _find_fault(values: np.ndarray) -> str:
    """What keeps values from being an expression; "" when they are one."""
    if values.size != EXPRESSION_LENGTH or values.dtype.kind not in "fiu":
        return f"it has {values.size} values of type {values.dtype}, not {EXPRESSION_LENGTH} numbers"
    return "" if np.isfinite(values).all() else "not all of its numbers are finite"
