from __future__ import annotations

import io
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lipdub.errors import UsageError
from lipdub.speech import lip_trajectory
from lipdub.speech.coarticulation import COEFFICIENTS
from lipdub.speech.recognition import Recognition
from lipdub.speech.word import Segment, Word
from tests.speech.test_visemes import speak_phones

SPOKEN = (("sil", 20), ("m", 12), ("a", 20), ("p", 12), ("sil", 21))


WORD_PHONES = (Segment(0.2, 0.32, "m"), Segment(0.32, 0.52, "a"), Segment(0.52, 0.64, "p"))


def make_trajectory(name: str = "speech.wav", **changes: object) -> lip_trajectory.LipTrajectory:
    motion = speak_phones(*SPOKEN)
    word = Word("map & co.", 0.2, 0.64, WORD_PHONES, 0.75)
    recognition = Recognition(np.zeros((85, 43), np.float32), motion.phones, (word,), 1.0, "text")
    return lip_trajectory.build_trajectory(Path("/somewhere") / name, 0.845, recognition, motion, **changes)  # type: ignore[arg-type]


def test_json_has_the_documented_fields() -> None:
    lips = make_trajectory()
    content = json.loads(lip_trajectory.encode_json(lips))
    assert list(content) == [
        "schema",
        "tool",
        "source",
        "duration",
        "heard",
        "rate",
        "start",
        "names",
        "values",
        "phones",
        "words",
        "visemes",
        "mouths",
    ]
    assert content["schema"] == 1 and content["source"] == "speech.wav" and content["duration"] == 0.845
    assert content["heard"] == {"way": "text", "share_of_words": 1.0, "language": None}
    assert content["names"] == list(COEFFICIENTS) and content["rate"] == 100 and content["start"] == 0
    np.testing.assert_allclose(content["values"], lips.values, atol=1e-4)
    assert len(content["values"]) == 85
    assert content["phones"][1] == [0.2, 0.32, "m"] and content["phones"][-1][1] == 0.845
    assert content["words"] == [{"text": "map & co.", "start": 0.2, "end": 0.64, "fit": 0.75}]
    assert [label for _, _, label in content["visemes"]] == ["sil", "PP", "aa", "PP", "sil"]
    assert [label for _, _, label in content["mouths"]] == ["X", "A", "D", "A", "X"]


def test_a_fit_nobody_knows_is_null() -> None:
    lips = make_trajectory()
    unknown = replace(lips, words=(replace(lips.words[0], fit=float("nan")),))
    assert json.loads(lip_trajectory.encode_json(unknown))["words"][0]["fit"] is None


def test_csv_and_npz_hold_the_same_numbers() -> None:
    lips = make_trajectory(rate=25.0)
    lines = lip_trajectory.encode_csv(lips).decode().splitlines()
    assert lines[0] == "time,opening,width,rounding,jaw,closure,lower_lip" and len(lines) == 1 + 22
    table = np.array([[float(cell) for cell in line.split(",")] for line in lines[1:]])
    np.testing.assert_allclose(table[:, 0], np.arange(22) / 25)
    with np.load(io.BytesIO(lip_trajectory.encode_npz(lips))) as file:
        np.testing.assert_allclose(file["values"], table[:, 1:], atol=1e-4)
        assert tuple(file["names"]) == COEFFICIENTS and file["times"].dtype == np.float64
    assert table[:, 1 + COEFFICIENTS.index("closure")].max() > 0.95  # closures are not averaged away


def test_srt_is_numbered_and_ordered() -> None:
    text = lip_trajectory.encode_srt(make_trajectory()).decode()
    cues = re.findall(r"(\d+)\n(\d\d:\d\d:\d\d,\d{3}) --> (\d\d:\d\d:\d\d,\d{3})\n(.+)\n\n", text)
    assert [cue[0] for cue in cues] == ["1", "2", "3"] and [cue[3] for cue in cues] == ["PP", "aa", "PP"]
    assert cues[0][2] == cues[1][1]
    assert (
        lip_trajectory.encode_word_srt(make_trajectory()).decode() == "1\n00:00:00,200 --> 00:00:00,640\nmap & co.\n\n"
    )
    with pytest.raises(UsageError, match="no words were found"):
        lip_trajectory.encode_word_srt(replace(make_trajectory(), words=()))


def test_clock_rounds_up_into_the_next_hour() -> None:
    assert (
        lip_trajectory._format_clock(3599.9999) == "01:00:00,000"
        and lip_trajectory._format_clock(61.5) == "00:01:01,500"
    )


def test_rhubarb_tsv() -> None:
    lines = lip_trajectory.encode_rhubarb_tsv(make_trajectory()).decode().splitlines()
    assert all(re.fullmatch(r"\d+\.\d\d\t[A-HX]", line) for line in lines)
    assert lines[0] == "0.00\tX" and lines[-1] == "0.84\tX"  # truncated to hundredths, as Rhubarb does
    assert [line[-1] for line in lines] == ["X", "A", "D", "A", "X", "X"]


def test_rhubarb_xml_and_json_tell_the_same() -> None:
    lips = make_trajectory('a & "b" <c>.wav')
    raw = lip_trajectory.encode_rhubarb_xml(lips).decode()
    assert raw.startswith('<?xml version="1.0" encoding="utf-8"?>\n<rhubarbResult>\n  <metadata>\n    <soundFile>')
    assert raw.endswith("  </mouthCues>\n</rhubarbResult>\n")
    tree = ElementTree.fromstring(raw)
    assert tree.findtext("metadata/soundFile") == str(lips.source) and tree.findtext("metadata/duration") == "0.84"
    content = json.loads(lip_trajectory.encode_rhubarb_json(lips))
    assert content["metadata"] == {"soundFile": str(lips.source), "duration": 0.84}
    cues = [(float(c.attrib["start"]), float(c.attrib["end"]), c.text) for c in tree.findall("mouthCues/mouthCue")]
    assert cues == [(c["start"], c["end"], c["value"]) for c in content["mouthCues"]]
    assert cues[0][0] == 0 and cues[-1][1] == 0.84
    assert '    { "start": 0.00, "end": ' in lip_trajectory.encode_rhubarb_json(lips).decode()


def test_a_part_keeps_the_speechs_own_times_and_rhubarb_is_idle_outside() -> None:
    lips = make_trajectory(start=0.3, end=0.6)
    assert lips.times[0] == pytest.approx(0.3) and len(lips.times) == 30
    assert lips.phones[0][0] == 0.3 and lips.phones[-1][1] == 0.6
    np.testing.assert_array_equal(lips.values, make_trajectory().values[30:60])
    lines = lip_trajectory.encode_rhubarb_tsv(lips).decode().splitlines()
    assert lines[0] == "0.00\tX" and lines[-1] == "0.84\tX"
    assert json.loads(lip_trajectory.encode_json(lips))["start"] == 0.3
    for wrong in ({"start": 0.9}, {"start": 0.5, "end": 0.5}, {"rate": 0.0}, {"rate": 1e6}):
        with pytest.raises(UsageError):
            make_trajectory(**wrong)


def test_silence_has_one_cue_for_rhubarb() -> None:
    assert lip_trajectory.encode_rhubarb_tsv(replace(make_trajectory(), mouths=())) == b"0.00\tX\n0.84\tX\n"


def test_formats_go_by_name_or_ending() -> None:
    assert set(lip_trajectory.FORMAT_BY_SUFFIX.values()) <= set(lip_trajectory.FORMATS)
    assert (
        lip_trajectory.resolve_format(Path("a.TSV")) == "rhubarb-tsv" and lip_trajectory.resolve_format(None) == "json"
    )
    assert lip_trajectory.resolve_format(Path("a.txt"), "srt-words") == "srt-words"
    for path, name in ((Path("a.txt"), None), (Path("a.json"), "yaml")):
        with pytest.raises(UsageError):
            lip_trajectory.resolve_format(path, name)
