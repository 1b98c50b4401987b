"""Options that several commands share: the same flags and checks everywhere, in each one's words."""

from __future__ import annotations

from typing import Any

import pytest

from lipdub.engine.lip_options import LipOptions
from lipdub.errors import UsageError
from lipdub.options import Option, options_of
from lipdub.stages.neutralize.method import DrawingOptions
from lipdub.stages.shared_options import FaceOptions, TimeOptions, TranscriptOptions
from lipdub.stages.sync.options import SyncOptions

GROUPS = (FaceOptions, TimeOptions, TranscriptOptions)
USERS = (SyncOptions, LipOptions, DrawingOptions)


def declared(kind: type) -> dict[str, Option]:
    return {item.name: item for item in options_of(kind)}


@pytest.mark.parametrize("user", USERS)
def test_flags_types_and_defaults_are_those_of_the_groups(user: type) -> None:
    shared = {name: item for group in GROUPS if issubclass(user, group) for name, item in declared(group).items()}
    assert {"face", "start", "end"} <= set(shared)
    for name, item in shared.items():
        own = declared(user)[name]
        assert (own.annotation, own.default) == (item.annotation, item.default), name
        for key in ("flags", "metavar", "parse", "aliases", "old_names"):
            assert getattr(own.declared, key) == getattr(item.declared, key), (name, key)


def test_help_is_in_the_words_of_the_command() -> None:
    helps = [declared(user)["start"].declared.help for user in USERS]
    assert helps == ["Start dubbing at this time.", "Start at this time of the speech.", "Start drawing at this time."]


@pytest.mark.parametrize("user", USERS)
def test_an_end_before_the_start_is_refused(user: Any) -> None:
    with pytest.raises(UsageError, match="--to must be later than --from"):
        user(start=2.0, end=1.0)
    assert user(start=1.0, end=2.0).end == 2.0


@pytest.mark.parametrize("user", [SyncOptions, LipOptions])
def test_what_is_no_language_is_refused(user: Any) -> None:
    with pytest.raises(UsageError, match="--language 'English!'"):
        user(language="English!")
    assert user(language="pt-BR").language == "pt-BR"


@pytest.mark.parametrize("user", USERS)
def test_values_of_a_wrong_type_are_named(user: Any) -> None:
    with pytest.raises(UsageError, match="--from takes a number"):
        user(start="soon")
