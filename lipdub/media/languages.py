"""Language tags: which are the same language, and how each container names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lipdub.media.containers import Container

UNDETERMINED = "und"


def _read_pairs(text: str) -> dict[str, str]:
    """Read "key:value" pairs."""
    return dict(pair.split(":") for pair in text.split())


# ISO 639-2 has two codes for some languages: the one of libraries, and that of the language's own name.
_OWN_NAMES = _read_pairs(
    "alb:sqi arm:hye baq:eus bur:mya chi:zho cze:ces dut:nld fre:fra geo:kat ger:deu gre:ell ice:isl mac:mkd "
    "mao:mri may:msa per:fas rum:ron slo:slk tib:bod wel:cym sve:swe"
)
# ISO 639-1, which Matroska files have too.
_SHORT_CODES = _read_pairs(
    "af:afr am:amh ar:ara az:aze be:bel bg:bul bn:ben bs:bos ca:cat cs:ces cy:cym da:dan de:deu el:ell en:eng "
    "eo:epo es:spa et:est eu:eus fa:fas fi:fin fr:fra ga:gle gl:glg gu:guj he:heb hi:hin hr:hrv hu:hun hy:hye "
    "id:ind is:isl it:ita ja:jpn ka:kat kk:kaz km:khm kn:kan ko:kor la:lat lo:lao lt:lit lv:lav mk:mkd ml:mal "
    "mn:mon mr:mar ms:msa mt:mlt my:mya nb:nob ne:nep nl:nld nn:nno no:nor pa:pan pl:pol ps:pus pt:por ro:ron "
    "ru:rus si:sin sk:slk sl:slv so:som sq:sqi sr:srp sv:swe sw:swa ta:tam te:tel th:tha tl:tgl tr:tur uk:ukr "
    "ur:urd uz:uzb vi:vie yi:yid zh:zho zu:zul"
)
# The names by which FFmpeg knows the language numbers of QuickTime.
_QUICKTIME_NAMES = _read_pairs(
    "sqi:alb hye:arm eus:baq mya:bur zho:chi nld:dut kat:geo deu:ger ell:gre isl:ice "
    "mkd:mac msa:may fas:per bod:tib cym:wel swe:sve"
)


def normalize_language(tag: str) -> str:
    """Return the three-letter code of a language tag; what is no such tag stays as it is."""
    base = tag.lower().split("-")[0].split("_")[0]
    base = _SHORT_CODES.get(base, base)
    return _OWN_NAMES.get(base, base)


def is_same_language(tag: str, other: str) -> bool:
    """Whether two tags name the same language, and the second the region of the first, if that has one."""
    return tag == other or ("-" not in tag and normalize_language(tag) == normalize_language(other))


def language_for(tag: str, container: Container) -> str:
    """Return the tag by which a container names a language."""
    if not container.is_mov:
        return tag
    code = normalize_language(tag)
    return _QUICKTIME_NAMES.get(code, code) if container.muxer == "mov" else code
