"""Digests are of content; a stage's key is different for whatever is different."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.errors import InputError
from lipdub.workspace.keys import DigestCache, digest_file, stage_key
from tests.properties import repeatable

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = st.text(max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2, width=16) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
ARGUMENTS = st.fixed_dictionaries(
    {
        "stage": TEXTS,
        "version": st.integers(0, 3),
        "inputs": st.dictionaries(TEXTS, TEXTS, max_size=2),
        "upstream": st.dictionaries(TEXTS, TEXTS, max_size=2),
        "options": st.dictionaries(TEXTS, VALUES, max_size=3),
        "files": st.lists(TEXTS, max_size=2).map(tuple),
    }
)


def are_same(a: Any, b: Any) -> bool:
    """Whether two values are equal and of the same types throughout: 1, 1.0 and True are three values."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(are_same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(are_same, a, b))
    return repr(a) == repr(b)


def test_digest_is_of_content_and_remembered(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(b"a" * 3_000_000)
    digest = DigestCache()
    first = digest(path)
    assert first == digest_file(path)
    assert digest.changed
    again = DigestCache(digest.known)
    assert again(path) == first
    assert not again.changed  # it is not read a second time
    path.write_bytes(b"b" * 3_000_000)
    assert again(path) != first
    assert again.changed
    moved = path.rename(tmp_path / "other.mp4")
    assert again(moved) == digest_file(moved)
    with pytest.raises(InputError):
        again(path)


@pytest.mark.slow
@repeatable
@given(ARGUMENTS, ARGUMENTS)
def test_keys_are_equal_only_for_equal_arguments(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert (stage_key(**a) == stage_key(**b)) == are_same(a, b)


@repeatable
@given(ARGUMENTS, ARGUMENTS, st.sampled_from(["stage", "version", "inputs", "upstream", "options", "files"]))
def test_a_key_depends_on_each_argument(a: dict[str, Any], b: dict[str, Any], name: str) -> None:
    changed = {**a, name: b[name]}
    assert (stage_key(**changed) == stage_key(**a)) == are_same(a[name], b[name])


def test_order_and_kind_of_sequence_do_not_matter() -> None:
    arguments: dict[str, Any] = {"stage": "sync", "version": 1, "inputs": {}, "upstream": {}}
    assert stage_key(**arguments, options={"b": 1, "a": (1, 2)}) == stage_key(
        **arguments, options={"a": [1, 2], "b": 1}
    )


def test_the_key_of_version_0_1_0_holds() -> None:
    """Pinned: a change here makes every user's caches anew."""
    key = stage_key(
        stage="detect",
        version=1,
        inputs={"video": "65b13294facb11cda175debcb692f2724d5b7921"},
        upstream={},
        options={"method": "mediapipe", "max_faces": 4},
    )
    assert key == "44a5f40c73a170ad58b6cebafb1a1c2207392ed3"


def test_a_pipe_has_no_digest(tmp_path: Path) -> None:
    """Its content could not be read again."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="no plain file"):
        DigestCache()(tmp_path / "pipe")
