"""Tags of decoded frames that PyAV does not show: the order of the fields and the place of the chroma samples."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from lipdub.media.colour import CHROMA_PLACE_UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRESSIVE = "progressive"
TOP_FIELD_FIRST = "top field first"
BOTTOM_FIELD_FIRST = "bottom field first"
# What FFmpeg's filter showinfo writes about a frame: " cl:topleft " and " i:T ".
_CHROMA_PLACE = re.compile(r"\bcl:(\w+)")
_FIELD_ORDER = re.compile(r"\bi:([PTB])\b")
# FFmpeg's number of the field order of a stream: both fields are stored in one frame.
FIELD_ORDER_NUMBERS = {TOP_FIELD_FIRST: 4, BOTTOM_FIELD_FIRST: 5}
FIELD_MODES = {TOP_FIELD_FIRST: "tff", BOTTOM_FIELD_FIRST: "bff"}  # words of FFmpeg's filters and of x264
_FIELD_ORDERS = {"P": PROGRESSIVE, "T": TOP_FIELD_FIRST, "B": BOTTOM_FIELD_FIRST}


@dataclass(frozen=True)
class FrameTags:
    """Tags of a frame.

    Attributes:
        field_order: "progressive", "top field first" or "bottom field first".
        chroma_place: A name of :data:`~lipdub.media.colour.CHROMA_PLACES`, or "unspecified".
    """

    field_order: str
    chroma_place: str


def read_frame_tags(frame: Any) -> FrameTags:
    """Read the tags of a decoded ``av.VideoFrame`` as FFmpeg's filter showinfo tells them."""
    # Side data would be shown too, at length.
    graph = _build_graph(frame, ("sidedata", "mode=delete"), ("showinfo", "checksum=0"))
    with _capture_info() as lines:
        graph.push(frame)
        graph.pull()
    text = " ".join(line for _, name, line in lines if name == "showinfo")
    order, place = _FIELD_ORDER.search(text), _CHROMA_PLACE.search(text)
    return FrameTags(
        field_order=_FIELD_ORDERS[order.group(1)] if order else PROGRESSIVE,
        chroma_place=place.group(1) if place else CHROMA_PLACE_UNKNOWN,
    )


def describe_media(container: Any) -> str:
    """Return FFmpeg's own description of an opened file."""
    with _capture_info():
        return str(container.dumps_format())


@contextmanager
def _capture_info() -> Iterator[list[Any]]:
    """Capture what FFmpeg tells in this thread: level, part and line of each message."""
    import av

    level = av.logging.get_level()
    try:
        with av.logging.Capture() as lines:
            av.logging.set_level(av.logging.INFO)
            yield lines
    finally:
        av.logging.set_level(level)


class FieldTagger:
    """Tags frames as interlaced, so that encoders code their fields. PyAV has no access to these flags."""

    def __init__(self, field_order: str) -> None:
        """Args: field_order: which field is shown first."""
        self._mode = FIELD_MODES[field_order]
        self._graph: Any = None

    def __call__(self, frame: Any) -> Any:
        """Return an ``av.VideoFrame`` of the same samples with the flags. All frames have one size and format."""
        if self._graph is None:
            self._graph = _build_graph(frame, ("setparams", f"field_mode={self._mode}"))
        self._graph.push(frame)
        return self._graph.pull()


def _build_graph(frame: Any, *filters: tuple[str, str]) -> Any:
    """Return a filter graph for frames like this one.

    Args:
        frame: An ``av.VideoFrame``.
        filters: Name and arguments of each filter.
    """
    import av

    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format.name, time_base=frame.time_base or Fraction(1, 25)
    )
    graph.link_nodes(source, *(graph.add(name, text) for name, text in filters), graph.add("buffersink")).configure()
    return graph
