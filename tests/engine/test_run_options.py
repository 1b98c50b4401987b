"""Options of a whole run: from their declarations to the stages, and to the typed signature."""

from __future__ import annotations

import lipdub
from lipdub import stages
from lipdub.engine.job import make_job
from lipdub.stages.method import build_options


def test_the_run_s_feather_is_what_a_restorer_is_shown() -> None:
    job = make_job("a.mp4", "b.wav", options={"feather": 0.1, "enhance": "gpen"})
    enhance = build_options(stages.load("enhance"), job.options["enhance"], job.inherited["enhance"])
    assert enhance.own.feather == job.options["paste-back"]["feather"] == 0.1
    # Without a restorer it changes paste-back alone.
    job = make_job("a.mp4", "b.wav", options={"feather": 0.1})
    enhance = stages.load("enhance")
    assert build_options(enhance, {}, job.inherited["enhance"]) == build_options(enhance, {})


def test_former_names_are_understood() -> None:
    new = make_job("a.mp4", "b.wav", options={"transcript": "t.txt", "cpu_backend": "none", "model": "m"})
    old = make_job("a.mp4", "b.wav", options={"text": "t.txt", "accel": "none", "talker": "m"})
    assert old == new and new.options["sync"] == {"transcript": "t.txt", "cpu_backend": "none", "model": "m"}


def test_values_for_another_stage_are_dropped_where_the_method_has_no_such_option() -> None:
    job = make_job("a.mp4", "b.wav", options={"face": "left", "start": 1.0})
    neutralize = stages.load("neutralize")
    assert build_options(neutralize, {}, job.inherited["neutralize"]) == build_options(neutralize, {})
    drawn = build_options(neutralize, {"method": "silent-lip"}, job.inherited["neutralize"])
    assert (drawn.own.face, drawn.own.start) == ("left", 1.0)


def test_the_package_exports_what_its_stages_need() -> None:
    assert set(stages.STAGES) == {"detect", "neutralize", "sync", "enhance", "paste-back"}
    assert all(callable(getattr(lipdub, name.replace("-", "_"))) for name in stages.STAGES)
