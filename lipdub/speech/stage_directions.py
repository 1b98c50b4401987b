"""Stage directions in a transcript: bracketed text, which nobody speaks."""

from __future__ import annotations

import re

_CLOSERS = {"[": "]", "(": ")", "（": "）", "［": "］", "【": "】", "〔": "〕"}
_OPENER_KINDS = {opener: kind for kind, opener in enumerate(_CLOSERS)}
_CLOSER_KINDS = {closer: kind for kind, closer in enumerate(_CLOSERS.values())}
_BRACKET = re.compile("[" + re.escape("".join([*_CLOSERS, *_CLOSERS.values()])) + "]")


def remove_stage_directions(text: str) -> str:
    """Replace each bracketed piece of a text, with the brackets inside it, by a space.

    Pieces are removed from the inside out, in rounds. In a round, a piece begins with an opening bracket and ends with
    the next bracket of that kind, a closing one. Of overlapping pieces, the leftmost is removed. Brackets without a
    partner stay.

    The work is in proportion to the length of the text: a round looks only at brackets with a new neighbour.
    """
    brackets = _Brackets(text)
    spans: list[tuple[int, int]] = []
    openers = brackets.find_openers()
    while openers:
        uncovered: set[int] = set()
        end = -1
        for opener in sorted(openers):
            closer = brackets.find_closer(opener)
            if opener > end and closer is not None:
                uncovered |= brackets.remove(opener, closer)
                spans.append((brackets.positions[opener], brackets.positions[closer] + 1))
                end = closer
        openers = uncovered
    return _replace_spans(text, spans)


class _Brackets:
    """The brackets of a text. Brackets of each kind form a linked list.

    Attributes:
        positions: index of each bracket in the text.
    """

    def __init__(self, text: str) -> None:
        matches = list(_BRACKET.finditer(text))
        self.positions = [match.start() for match in matches]
        self._is_opener = [match[0] in _OPENER_KINDS for match in matches]
        self._kinds = [_OPENER_KINDS.get(match[0], _CLOSER_KINDS.get(match[0], -1)) for match in matches]
        self._next: list[int | None] = [None] * len(matches)
        self._previous: list[int | None] = [None] * len(matches)
        # For a removed bracket, the index of the first bracket behind the removed piece.
        self._skip: list[int | None] = [None] * len(matches)
        last: dict[int, int] = {}
        for i, kind in enumerate(self._kinds):
            before = last.get(kind)
            self._previous[i] = before
            if before is not None:
                self._next[before] = i
            last[kind] = i

    def find_openers(self) -> set[int]:
        """Find the opening brackets that the next bracket of their kind closes."""
        return {i for i in range(len(self.positions)) if self.find_closer(i) is not None}

    def find_closer(self, opener: int) -> int | None:
        """Return the bracket that closes an opening one; None if another bracket of its kind comes before."""
        closer = self._next[opener]
        is_pair = self._is_opener[opener] and closer is not None and not self._is_opener[closer]
        return closer if is_pair else None

    def remove(self, opener: int, closer: int) -> set[int]:
        """Remove all brackets from an opening to a closing one.

        Returns:
            the opening brackets whose next bracket has changed.
        """
        changed: dict[int, int | None] = {}
        i = opener
        while i <= closer:
            skip = self._skip[i]
            if skip is not None:
                i = skip
                continue
            before, after = self._previous[i], self._next[i]
            if before is not None:
                self._next[before] = after
            if after is not None:
                self._previous[after] = before
            changed[self._kinds[i]] = before
            self._skip[i] = closer + 1
            i += 1
        return {i for i in changed.values() if i is not None and self._is_opener[i]}


def _replace_spans(text: str, spans: list[tuple[int, int]]) -> str:
    """Replace the outermost spans by spaces. Of two spans, one holds the other or they do not touch."""
    pieces: list[str] = []
    position = 0
    for start, end in sorted(spans):
        if start >= position:
            pieces += [text[position:start], " "]
            position = end
    return "".join([*pieces, text[position:]])
