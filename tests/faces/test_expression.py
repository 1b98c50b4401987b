"""The expression option: names, arrays, pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.errors import InputError, UsageError, WeightsError
from lipdub.faces import expression

if TYPE_CHECKING:
    from pathlib import Path

VALUES = np.linspace(-1, 1, expression.EXPRESSION_LENGTH)


def test_the_option_is_a_name_or_a_file(tmp_path: Path) -> None:
    assert expression.parse_expression("smile") == "smile"
    picture = tmp_path / "face.PNG"
    picture.touch()
    assert expression.parse_expression(str(picture)) == picture
    expression.check_expression(str(picture))
    for wrong in ("frown", str(tmp_path / "none.npy"), str(tmp_path)):
        with pytest.raises(UsageError, match="neither neutral nor smile"):
            expression.parse_expression(wrong)


def test_an_array_is_read_from_both_kinds_of_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", VALUES.reshape(1, -1))
    np.savez(tmp_path / "b.npz", VALUES)
    for name in ("a.npy", "b.npz"):
        values = expression.read_expression_array(tmp_path / name)
        assert values.dtype == np.float32
        assert np.array_equal(values, VALUES.astype(np.float32))
        expression.check_expression(str(tmp_path / name))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (VALUES[:-1], "63 values"),
        (np.full(64, np.nan), "not all of its numbers are finite"),
        (np.full(64, "a"), "type <U1"),
    ],
)
def test_an_array_that_is_no_expression_is_refused(tmp_path: Path, values: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(InputError, match=message):
        expression.check_expression(str(tmp_path / "a.npy"))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", a=VALUES, b=VALUES)
    with pytest.raises(InputError, match="holds 2 arrays"):
        expression.read_expression_array(tmp_path / "two.npz")
    (tmp_path / "torn.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match="cannot be read"):
        expression.read_expression_array(tmp_path / "torn.npy")


def test_templates_are_the_first_rows_of_the_published_file(tmp_path: Path) -> None:
    from scipy.io import savemat

    path = tmp_path / "expression.mat"
    savemat(path, {"expression_center": np.stack([VALUES, -VALUES]), "expression_mouth": np.zeros((1, 3))})
    assert np.array_equal(expression.read_template(path, "neutral"), VALUES.astype(np.float32))
    with pytest.raises(WeightsError, match="3 values"):
        expression.read_template(path, "smile")
    path.write_bytes(b"torn")
    with pytest.raises(WeightsError, match="has no expression_center"):
        expression.read_template(path, "neutral")
