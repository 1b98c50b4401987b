"""What every metric of the registry must do, and a toy metric that is one file and one line."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest

from lipdub.metrics.evidence import Evidence, RunFacts
from lipdub.metrics.metric import Better, Measurement, Metric, Need, Region
from lipdub.metrics.registry import METRICS
from lipdub.scoring.gather import select_metrics
from lipdub.scoring.metric_table import render_metric_table
from lipdub.scoring.rows import Score
from lipdub.scoring.score import make_row, score
from lipdub.weights import manifest
from lipdub.weights.store import WeightsStore
from tests.metrics.made_evidence import STUBS, all_metrics, identical_evidence
from tests.sample import TALKER
from tests.training.footage import cut

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow_fixtures("identical", "faceless")

NAMES = METRICS.names()
SLOW = ("fid_crop", "lse_c", "lse_d")  # roots of matrices of 2048 rows, and every clip at every shift
BY_COST = [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in NAMES]


@pytest.fixture(scope="module")
def identical(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """The sample's first three seconds against themselves."""
    return identical_evidence(cut(tmp_path_factory.mktemp("identical") / "talker.mp4", seconds=3.0, filters="null"))


@pytest.fixture(scope="module")
def faceless(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """A video of stripes with the sample's sound, against itself."""
    import av

    path = tmp_path_factory.mktemp("faceless") / "faceless.mp4"
    with av.open(str(path), "w") as out, av.open(str(TALKER)) as sample:
        video = out.add_stream("libx264", rate=25, options={"qp": "0", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 512, 512, "yuv420p"
        sound = out.add_stream_from_template(sample.streams.audio[0])
        for k in range(30):
            stripes = np.repeat(np.uint8(90 + 80 * ((np.arange(512) + k) // 16 % 2))[None, :, None], 512, 0)
            frame = av.VideoFrame.from_ndarray(np.repeat(stripes, 3, 2), format="rgb24")
            out.mux(video.encode(frame))
        out.mux(video.encode())
        for packet in sample.demux(sample.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = sound
                out.mux(packet)
    return identical_evidence(path)


def variants(evidence: Evidence, metric: Metric) -> list[Evidence]:
    """The evidence of a lossless run, of another one, and of one whose result was cut short.

    A metric that does not ask for the run gets the evidence without one.
    """
    if Need.RUN not in metric.needs:
        return [replace(evidence, run=None)]
    times = evidence.result.motion.times
    longer = np.append(times, times[-1] + 0.04)
    runs = RunFacts(times, is_lossless=True), RunFacts(times, is_lossless=False), RunFacts(longer, is_lossless=True)
    return [replace(evidence, run=run, _computed=dict(evidence._computed)) for run in runs]


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    metric = METRICS.get(name)
    assert metric.id == name
    assert metric.title[0] not in " ."
    assert not metric.title.endswith(".")
    assert metric.region in get_args(Region)
    assert metric.better in get_args(Better)
    assert metric.better, "a reader must know which values are good"
    assert all(isinstance(need, Need) for need in metric.needs)
    if metric.weights is not None:
        assert manifest.find_entry(metric.weights.name).name == metric.weights.name
        assert metric.weights.name in STUBS, "add a stub to tests/metrics/made_evidence.py"


@pytest.mark.parametrize("name", BY_COST)
def test_it_is_finite_and_at_its_best_on_identical_input(name: str, identical: Evidence) -> None:
    metric = METRICS.get(name)
    measurements = [metric.measure(evidence) for evidence in variants(identical, metric)]
    assert any(measurements), "it applies to none of the runs"
    for measurement in measurements[:2]:
        if measurement is None:
            continue
        if metric.ideal is None or math.isfinite(metric.ideal):
            assert math.isfinite(measurement.value), measurement.note
        if metric.ideal is not None:
            assert measurement.value == pytest.approx(metric.ideal, abs=1e-6)
        if measurement.windows is not None:
            assert measurement.windows.shape == (len(identical.windows),)
        row = make_row(metric, measurement)
        json.dumps([row.value, row.low, row.high, row.real_value], allow_nan=False)
        if row.low is not None:
            assert row.high is not None
            assert row.low <= row.high
    if metric.moments is not None:
        assert all(moment.row == name and moment.text for moment in metric.moments(identical))


@pytest.mark.parametrize("name", NAMES)
def test_without_a_face_it_says_why_it_has_no_value(name: str, faceless: Evidence) -> None:
    metric = METRICS.get(name)
    for evidence in variants(faceless, metric):
        measurement = metric.measure(evidence)
        if measurement is not None and not math.isfinite(measurement.value):
            assert measurement.note, "a missing value needs a reason"
    if metric.moments is not None:
        assert list(metric.moments(faceless)) == []


@pytest.mark.parametrize("name", NAMES)
def test_without_an_input_it_is_not_measured_and_the_reason_names_the_option(name: str, tmp_path: Path) -> None:
    metric, store = METRICS.get(name), WeightsStore(tmp_path)
    for need in metric.needs:
        selection = select_metrics(set(Need) - {need}, store)
        assert name in selection.not_measured
        assert selection.not_measured[name] == need.value
        assert "--" in need.value
        assert metric not in selection.metrics
    assert metric in select_metrics(set(metric.needs), store).metrics


@pytest.mark.parametrize("name", [metric.id for metric in all_metrics() if metric.weights is not None])
def test_without_its_weights_the_reason_names_the_file(name: str, tmp_path: Path) -> None:
    metric = METRICS.get(name)
    assert metric.weights is not None
    failure = select_metrics(set(Need), WeightsStore(tmp_path)).find_failure(metric)
    assert failure is not None
    assert manifest.find_entry(metric.weights.name).file in failure


def test_metrics_of_one_factory_share_its_observer(identical: Evidence) -> None:
    factories = {(feed, factory) for metric in all_metrics() for feed, factory in metric.observers.items()}
    assert set(identical.observers) == factories
    assert len(factories) < sum(len(metric.observers) for metric in all_metrics())


# -- a metric is one file and one line


def test_a_toy_metric_is_in_scores_files_and_the_manual(tmp_path: Path) -> None:
    clip = tmp_path / "short.mp4"
    _cut(clip, 12)
    with METRICS.added("toy_brightness", "tests.metrics.toy_metric:METRIC"):
        found = score(clip)
        table = render_metric_table()
    row = found.row("toy_brightness")
    assert row.value is not None
    assert 0 < row.value < 255
    assert (row.title, row.unit, row.better, row.note) == (
        "mean brightness of the face",
        "grey levels",
        "near zero",
        "a toy",
    )
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert next(item for item in plain["rows"] if item["id"] == "toy_brightness")["unit"] == "grey levels"
    assert Score.from_json(plain).row("toy_brightness").value == pytest.approx(row.value, abs=1e-4)
    assert "| `toy_brightness` | Mean brightness of the face. A toy. | crop | grey levels | near zero |" in table
    assert "toy_brightness" not in render_metric_table()


def test_the_table_has_a_line_for_every_metric() -> None:
    lines = render_metric_table().splitlines()
    assert [line.split("|")[1].strip(" `") for line in lines[2:]] == list(NAMES)
    assert {line.count("|") for line in lines} == {8}
    assert "`alexnet`" in next(line for line in lines if "`lpips_crop`" in line)


def test_a_measurement_without_windows_has_no_interval() -> None:
    metric = METRICS.get("faces")
    row = make_row(metric, Measurement(0.5, note="half"))
    assert (row.value, row.low, row.high, row.note) == (0.5, None, None, "half")
    assert isinstance(metric, Metric)


def _cut(path: Path, frames: int) -> None:
    import av

    from lipdub.media.read import read_frames

    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"qp": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 512, 512, "yuv420p"
        for frame in read_frames(TALKER, 0, frames):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame.picture.rgb(), format="rgb24")))
        out.mux(stream.encode())
