"""The options of `lipdub render-talkers`, declared once for the command line and Python."""

from __future__ import annotations

from dataclasses import dataclass

from lipdub.errors import UsageError
from lipdub.options import OptionGroup, option
from lipdub.training.rendered.variants import PAIRS, VARIANTS

KEPT_APART = "AIAN_M_2,Asian_F_3,Black_F_3,Hispanic_M_3,MENA_F_2,White_M_3"
"""Six of the 42 people of VALID, one of each group that has several, three women and three men."""

_SCENES, _FILMS, _SPLIT = "Scenes", "Pictures", "Split"


def parse_pairs(text: str) -> str:
    """Read names of pairs, with commas between them. Raises ValueError with a reason."""
    names = split_names(text)
    if names == ["none"]:
        return ""
    if names == ["all"]:
        return ",".join(PAIRS)
    unknown = [name for name in names if name not in PAIRS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is none of {', '.join(PAIRS)}, all, none")
    return ",".join(name for name in PAIRS if name in names)


def split_names(text: str) -> list[str]:
    """Split names at commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


@dataclass(frozen=True)
class TalkerOptions(OptionGroup):
    """Options that determine which talkers are rendered.

    Attributes:
        scenes: how many scenes: a person, a look, a motion of the head and a sentence each.
        seed: seed of all random choices.
        pairs: names of `rendered.variants` that each scene has beside the plain one, with commas between them.
        seconds: length of a clip, at most.
        pixels: side of the pictures.
        kept_apart: names of the people that are held out, with commas between them.
        licence: licence of the heads, in words.
        jobs: processes; 0: one per processor.

    Raises:
        UsageError: a value is out of range.
    """

    scenes: int = option(
        42, "--scenes", "-n", help="Number of scenes; a later call may ask for more.", low=1, panel=_SCENES
    )
    seed: int = option(0, "--seed", help="Seed of all random choices.", low=0, panel=_SCENES)
    pairs: str = option(
        "speech,shut",
        "--pairs",
        metavar="NAMES",
        help="Further clips of each scene, with the same head, look and motion: "
        + "; ".join(f"{name}: {VARIANTS[name]}" for name in PAIRS)
        + ". Names with commas between them, all or none.",
        parse=parse_pairs,
        panel=_SCENES,
    )
    seconds: float = option(
        3.0, "--seconds", metavar="SECONDS", help="Length of a clip, at most.", low=1, high=20, panel=_SCENES
    )
    pixels: int = option(256, "--pixels", help="Side of the pictures.", low=64, high=2048, panel=_FILMS)
    kept_apart: str = option(
        KEPT_APART,
        "--kept-apart",
        metavar="NAMES",
        help="People who are held out of training, with voices that nobody else has. `none`: nobody.",
        panel=_SPLIT,
    )
    licence: str = option("", "--licence", metavar="TEXT", help="Licence of the heads, stored with each clip.")
    jobs: int = option(0, "--jobs", "-j", help="Processes; 0: one per processor.", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            parse_pairs(self.pairs)
        except ValueError as error:
            raise UsageError(f"--pairs: {error}") from error

    @property
    def kept_people(self) -> tuple[str, ...]:
        """The people that are held out."""
        return () if self.kept_apart == "none" else tuple(split_names(self.kept_apart))

    @property
    def variants(self) -> tuple[str, ...]:
        """The clips of each scene."""
        return ("plain", *split_names(parse_pairs(self.pairs)))
