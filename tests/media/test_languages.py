"""Language tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lipdub.media.containers import container_for
from lipdub.media.languages import is_same_language, language_for, normalize_language
from tests.media import rich_files

if TYPE_CHECKING:
    from pathlib import Path


def test_the_same_language_by_another_name() -> None:
    for names in (("ger", "deu", "de", "de-AT"), ("fre", "fra", "fr_CA"), ("swe", "sve", "sv"), ("zho", "chi", "zh")):
        assert len({normalize_language(name) for name in names}) == 1
    assert is_same_language("ger", "deu")
    assert is_same_language("pt-BR", "pt-BR")
    assert not is_same_language("pt-BR", "por")
    assert not is_same_language("ger", "fra")
    assert normalize_language("qaa") == "qaa"
    assert normalize_language("") == ""


@pytest.mark.parametrize("ending", [".mov", ".mp4"])
def test_every_name_is_kept(tmp_path: Path, ending: str) -> None:
    """MOV has numbers for languages, to which FFmpeg gives one name each."""
    from lipdub.media.contents import read_contents

    tags = ["deu", "fra", "fre", "zho", "nld", "ell", "isl", "fas", "swe", "cze", "slo", "rum", "en", "pt-BR", "jpn"]
    words = [w for n, tag in enumerate(tags) for w in ("-map", "0:a", f"-metadata:s:{n}", f"language={tag}")]
    container = container_for(ending)
    words = [w if not w.startswith("language=") else f"language={language_for(w[9:], container)}" for w in words]
    out = tmp_path / f"a{ending}"
    rich_files.run_ffmpeg("-i", rich_files.plain_mp4(tmp_path), *words, "-c", "copy", out)
    read = [normalize_language(stream.language) for stream in read_contents(out).streams]
    assert read == [normalize_language(tag) for tag in tags]
