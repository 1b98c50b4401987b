"""Settings of a training from a file and the command line."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from lipdub.errors import InputError, UsageError
from lipdub.training.config import apply_settings, format_toml, plain_settings, setting


@dataclass(frozen=True)
class Size:
    pixels: int = 96
    depths: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Training:
    steps: int = 100
    rate: float = 1e-4
    flip: bool = True
    loss: Literal["plain", "stabilized"] = "stabilized"
    betas: tuple[float, float] = (0.5, 0.999)
    name: str = 'a "quoted"\nname \\ \x7f é'
    limit: float | None = None
    weights: Path | None = None
    size: Size = field(default_factory=Size)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be 1 or more, not {self.steps}")


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "training.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_changes_hold_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    file = written(tmp_path, 'steps = 5\nrate = 1\nloss = "plain"\n[size]\npixels = 192\n')
    found = apply_settings(Training(flip=False), file, ["rate=3e-4", "size.depths=[3, 4, 5]", "steps=6", "steps=7"])
    assert found == Training(steps=7, rate=3e-4, flip=False, loss="plain", size=Size(192, (3, 4, 5)))
    assert apply_settings(Training()) == Training()


def test_quotes_may_be_left_out(tmp_path: Path) -> None:
    changes = ["loss=plain", "name=it is so", "flip=false", "betas=[0, 1]", "limit=2", "weights=a b.safetensors"]
    found = apply_settings(Training(), None, changes)
    assert found == Training(100, 1e-4, False, "plain", (0.0, 1.0), "it is so", 2.0, Path("a b.safetensors"))
    assert isinstance(found.limit, float) and isinstance(found.betas[0], float)
    assert apply_settings(found, None, ["limit=none", "name=x = 1\ny = 2"]).limit is None
    assert apply_settings(found, None, ["name=1\ny = 2"]).name == "1\ny = 2"


def test_a_written_file_says_the_same(tmp_path: Path) -> None:
    given = Training(3, 0.1 + 0.2, False, "plain", (0.25, 1e-9), weights=Path("x"), size=Size(7, ()))
    text = format_toml(given)
    assert tomllib.loads(text)["size"] == {"pixels": 7, "depths": []}
    assert apply_settings(Training(), written(tmp_path, text)) == given
    assert "limit" not in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("step=3", "there is no setting step. Did you mean steps"),
        ("size.pixel=3", "there is no setting size.pixel. Did you mean size.pixels"),
        ("size.zzz=3", "There are: size.depths, size.pixels"),
        ("size=3", "size is a table. Set one of size.pixels"),
        ("steps.more=3", 'steps is {"more": 3}, not a whole number'),
        ("steps=1.5", "steps is 1.5, not a whole number"),
        ("steps=true", "steps is true, not a whole number"),
        ("flip=1", "flip is 1, not true or false"),
        ("rate=fast", 'rate is "fast", not a number'),
        ("loss=l2", 'loss is "l2". Choose one of: plain, stabilized'),
        ("betas=[1]", "betas needs 2 values, not 1"),
        ("betas=1", "betas is 1, not an array"),
        ("steps=0", "steps must be 1 or more, not 0"),
        ("steps", "is no KEY=VALUE"),
        ("=3", "is no KEY=VALUE"),
    ],
)
def test_what_is_wrong_is_named(change: str, said: str) -> None:
    with pytest.raises(UsageError) as wrong:
        apply_settings(Training(), None, [change])
    assert said in str(wrong.value) and "--set" in str(wrong.value)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        apply_settings(Training(), tmp_path / "none.toml")
    with pytest.raises(UsageError, match=r"training.toml is not TOML: .*line 2"):
        apply_settings(Training(), written(tmp_path, "steps = 3\nrate 4\n"))
    with pytest.raises(UsageError, match=r"training\.toml: there is no setting optimiser"):
        apply_settings(Training(), written(tmp_path, "[optimiser]\nrate = 4\n"))


def test_former_names_of_settings_are_accepted_and_not_shown(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Renamed:
        learning_rate: float = setting(0.1, was="rate")
        size: Size = setting(was="shape", factory=Size)

    file = written(tmp_path, "rate = 0.5\n[shape]\npixels = 12\n")
    options = apply_settings(Renamed(), file, ["shape.depths=[1]", "learning_rate=0.25"])
    assert options == Renamed(0.25, Size(12, (1,)))
    assert "rate" not in format_toml(options).replace("learning_rate", "")
    assert plain_settings(options) == {"rate": 0.25, "shape": {"pixels": 12, "depths": (1,)}}


def test_a_setting_that_was_added_counts_where_it_is_changed() -> None:
    @dataclass(frozen=True)
    class Grown:
        steps: int = 3
        audio: str = field(default="mel", metadata={"added": True})

    assert plain_settings(Grown()) == {"steps": 3}
    assert plain_settings(Grown(audio="phonetic")) == {"steps": 3, "audio": "phonetic"}
