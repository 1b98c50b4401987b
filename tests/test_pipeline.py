from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lipdub
from lipdub import stages
from lipdub.engine import provenance
from lipdub.engine.job import make_job
from lipdub.engine.pipeline import run_job
from lipdub.errors import CorruptChunk, EnvironmentFailure, InputError, UsageError
from lipdub.stages.job import Job, provenance_path
from lipdub.workspace.folder import StageRecord
from tests import small_stages
from tests.media.clips import make_video
from tests.sounds import write_tone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lipdub.progress import Event
    from lipdub.stages.base import StageContext

ALL = ["detect", "neutralize", "sync", "enhance", "paste-back"]
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """A job over the small stages. Its workspace does not exist yet."""
    before = small_stages.install()
    monkeypatch.delenv("LIPDUB_TEST_FACELESS", raising=False)
    small_stages.RUNS.clear()
    yield Job(
        video=small_stages.write_video(tmp_path / "video.mp4"),
        speech=write_tone(tmp_path / "speech.wav"),
    )
    stages.STAGES.update(before)


def run(job: Job, **options: object) -> tuple[lipdub.Result, list[str]]:
    """The result and the stages that ran for it."""
    small_stages.RUNS.clear()
    given = make_job(job.video, job.speech, job.out, options=options).options
    result = run_job(replace(job, options=given))
    return result, list(small_stages.RUNS)


def test_whole_chain(job: Job) -> None:
    result, ran = run(job)
    assert ran == ALL
    assert result.out == job.video.with_name("video.dubbed.mp4") and result.out.stat().st_size > 0
    assert result.workspace == job.video.with_name("video.dubbed.mp4.lipdub")
    assert [stage.action for stage in result.stages] == ["run"] * 5
    assert result.warnings == ("2 frames show no face",)
    assert result.notes == ("the mouth interior was synthesised",)
    assert json.loads(result.provenance.read_text())["notes"] == list(result.notes)
    assert (result.recipe, result.reason.split(":")[0]) == ("builtin", "builtin")
    json.dumps(result.to_json())


def test_second_run_does_nothing(job: Job) -> None:
    first, _ = run(job)
    content = first.out.read_bytes()
    again, ran = run(job)
    assert ran == [] and [stage.action for stage in again.stages] == ["reuse"] * 5
    assert again.out.read_bytes() == content
    assert again.warnings == first.warnings and again.notes == first.notes


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("options", "ran"),
    [
        ({"feather": 0.25}, ALL[4:]),
        ({"crf": 12}, ALL[4:]),
        ({"enhance": "auto"}, ALL[3:]),
        ({"face": "left"}, ALL[2:]),
        ({"offset": 0.1}, ALL[2:]),
        ({"max_faces": 2}, ALL),
    ],
)
def test_an_option_redoes_only_what_it_changes(job: Job, options: dict[str, object], ran: list[str]) -> None:
    run(job)
    planned = lipdub.plan(make_job(job.video, job.speech, options=options))
    assert [stage.name for stage in planned if stage.action == "run"] == ran
    assert run(job, **options)[1] == ran
    assert run(job, **options)[1] == []


@pytest.mark.slow
def test_another_speech_keeps_what_knows_only_the_video(job: Job, tmp_path: Path) -> None:
    run(job)
    other = replace(job, speech=write_tone(tmp_path / "other.wav", pitch=300))
    result, ran = run(other)
    assert ran == ALL[2:]
    content = result.out.read_bytes()
    assert run(job)[0].out.read_bytes() != content


def test_mix_concerns_only_the_result(job: Job, tmp_path: Path) -> None:
    run(job)
    assert run(replace(job, mix=write_tone(tmp_path / "mix.wav", pitch=99)))[1] == ALL[4:]


@pytest.mark.slow
def test_renamed_source_is_the_same_changed_source_is_not(job: Job) -> None:
    workspace = job.video.with_name("w")
    run(replace(job, workspace=workspace, out=job.video.with_name("out.mp4")))
    moved = replace(job, video=job.video.rename(job.video.with_name("moved.mp4")), workspace=workspace)
    assert run(replace(moved, out=job.video.with_name("out.mp4")))[1] == []
    small_stages.write_video(moved.video, frames=7)
    assert run(replace(moved, out=job.video.with_name("out.mp4")))[1] == ALL


@pytest.mark.slow
def test_code_version_counts(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    run(job)
    module = sys.modules[stages.STAGES["enhance"]]
    monkeypatch.setattr(module, "SPEC", replace(module.SPEC, version=2))
    assert run(job)[1] == ALL[3:]


@pytest.mark.slow
def test_weights_count(job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights = tmp_path / "net.safetensors"
    weights.write_bytes(b"one")
    module = sys.modules[stages.STAGES["sync"]]
    monkeypatch.setattr(module, "SPEC", replace(module.SPEC, weights=lambda options: [weights]))
    run(job)
    assert run(job)[1] == []
    weights.write_bytes(b"other")
    assert run(job)[1] == ALL[2:]


def test_lost_or_changed_result_is_made_again(job: Job) -> None:
    result, _ = run(job)
    content = result.out.read_bytes()
    result.out.unlink()
    assert run(job)[1] == ["paste-back"]
    assert result.out.read_bytes() == content
    result.out.write_bytes(b"edited")
    assert run(job)[1] == ["paste-back"]
    assert result.out.read_bytes() == content


def test_plan_writes_nothing_and_tells_why(job: Job) -> None:
    assert [stage.action for stage in lipdub.plan(job)] == ["run"] * 5
    assert not job.folder().exists()
    run(job)
    before = (job.folder() / "workspace.json").read_bytes()
    planned = lipdub.plan(make_job(job.video, job.speech, options={"strength": 0.5}))
    assert [stage.action for stage in planned] == ["reuse", "reuse", "run", "run", "run"]
    assert planned[2].reason == "another strength" and planned[3].reason == "sync changes"
    assert planned[2].method == "units"
    assert (job.folder() / "workspace.json").read_bytes() == before
    assert small_stages.RUNS == ALL


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(
    ("stage", "options"),
    [
        ("detect", {"strength": 0.5}),
        ("neutralize", {"strength": 0.5}),
        ("sync", {"enhance": "auto"}),
        ("enhance", {"feather": 0.3}),
    ],
)
def test_damaged_chunks_are_mended(job: Job, stage: str, options: dict[str, object]) -> None:
    fresh = replace(job, workspace=job.folder().with_name("fresh"), out=job.video.with_name("fresh.mp4"))
    wanted = run(fresh, **options)[0].out.read_bytes()
    run(job)
    for chunk in (1, 7):
        file = job.folder() / stage / "values" / f"c.{chunk}.0"
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    events: list[Event] = []
    mended = run_job(make_job(job.video, job.speech, options=options), events.append)
    assert mended.out.read_bytes() == wanted
    told = [event for event in events if "is made again" in event.message]
    assert [event.stage for event in told] == [stage]  # both chunks at once


@pytest.mark.slow
@pytest.mark.parametrize("what", ["detect/values/zarr.json", "detect/shots.json", "detect/values/c.3.0", "detect"])
def test_lost_and_broken_pieces_are_mended(job: Job, what: str) -> None:
    run(job)
    wanted = run(job, strength=0.5)[0].out.read_bytes()
    run(job)
    place = job.folder() / what
    if place.is_dir():
        shutil.rmtree(place)
    elif place.suffix == ".json":
        place.write_text("{")
    else:
        place.unlink()
    if what == "detect/shots.json":  # read by neutralize
        shutil.rmtree(job.folder() / "neutralize")
    assert run(job, strength=0.5)[0].out.read_bytes() == wanted


@pytest.mark.slow
def test_a_stage_that_trusts_its_own_notes_is_done_anew(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules[stages.STAGES["neutralize"]]
    whole = module.SPEC.run

    def noting(ctx: StageContext, options: object) -> dict[str, object]:
        if not ctx.store.has("finished"):  # so a lost chunk is not filled
            whole(ctx, options)
            ctx.store.put_json("finished", True)
        return {}

    monkeypatch.setattr(module, "SPEC", replace(module.SPEC, run=noting))
    wanted = run(replace(job, out=job.video.with_name("other.mp4")), strength=0.5)[0].out.read_bytes()
    run(job)
    (job.folder() / "neutralize" / "values" / "c.2.0").unlink()
    result, ran = run(job, strength=0.5)
    assert result.out.read_bytes() == wanted and ran.count("neutralize") == 1


def test_a_disk_that_keeps_breaking_ends_the_run(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules[stages.STAGES["sync"]]

    def broken(ctx: StageContext, options: object) -> dict[str, object]:
        raise CorruptChunk("detect", "values", 0, ctx.upstream["detect"].path / "values" / "c.0.0")

    monkeypatch.setattr(module, "SPEC", replace(module.SPEC, run=broken))
    with pytest.raises(CorruptChunk):
        run(job)


@pytest.mark.slow
def test_killed_runs_end_as_if_never_killed(job: Job, tmp_path: Path) -> None:
    reference = run(replace(job, out=tmp_path / "reference.mp4"))[0].out.read_bytes()
    dice = random.Random(5)
    command = [sys.executable, "-m", "tests.small_stages", "run", str(job.video), str(job.speech), "--quiet"]
    out = tmp_path / "killed.mp4"
    environment = {**os.environ, "LIPDUB_TEST_PAUSE": "0.05"}
    kills = 0
    for _ in range(12):
        process = subprocess.Popen([*command, "-o", str(out)], cwd=ROOT, env=environment)
        try:
            process.wait(0.35 + 0.4 * dice.random())
        except subprocess.TimeoutExpired:
            process.kill()
            kills += 1
        if process.wait() == 0:
            break
        assert not out.exists() or out.read_bytes() == reference  # complete or absent
    else:
        assert subprocess.run([*command, "-o", str(out)], cwd=ROOT).returncode == 0
    assert kills >= 2
    assert out.read_bytes() == reference


def test_cancelled_run_goes_on(job: Job) -> None:
    seen: list[Event] = []

    def progress(event: Event) -> None:
        seen.append(event)

    def cancelled() -> bool:
        return any(event.stage == "sync" and event.kind == "stage" for event in seen)

    with pytest.raises(KeyboardInterrupt):
        lipdub.dub(job.video, job.speech, progress=progress, cancelled=cancelled)
    assert [stage.action for stage in lipdub.plan(job)] == ["reuse", "reuse", "resume", "run", "run"]
    result, ran = run(job)
    assert ran == ALL[2:] and result.stages[2].action == "resume"


def test_events_tell_the_story(job: Job) -> None:
    events: list[Event] = []
    lipdub.dub(job.video, job.speech, progress=events.append)
    assert events[0].kind == "start" and events[0].data["recipe"] == "builtin"
    assert [event.stage for event in events if event.kind == "stage"] == ALL
    assert [event.stage for event in events if event.kind == "done"] == [*ALL, ""]
    for stage in ALL:
        last = [event for event in events if event.kind == "progress" and event.stage == stage][-1]
        assert last.done == last.total == small_stages.FRAMES
    assert [event.message for event in events if event.kind == "warn"] == ["2 frames show no face"]


def test_stage_alone_runs_what_it_reads_and_keeps_its_options(job: Job) -> None:
    folder = job.folder()
    assert lipdub.detect(job.video, workspace=folder, max_faces=2).action == "run"
    assert small_stages.RUNS == ["detect"]
    result = lipdub.sync(job.video, job.speech, workspace=folder, strength=0.5)
    assert small_stages.RUNS == ["detect", "neutralize", "sync"] and result.summary["frames"] == 40
    pasted = lipdub.paste_back(job.video, job.speech, job.result(), workspace=folder)
    assert small_stages.RUNS == ALL and pasted.action == "run"
    assert provenance_path(job.result()).exists()
    assert run(job, max_faces=2, strength=0.5)[1] == []
    with pytest.raises(UsageError, match="max_faces"):
        lipdub.sync(job.video, job.speech, workspace=folder, max_faces=2)


def test_two_jobs_at_once_on_one_workspace_or_result(job: Job) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def progress(event: Event) -> None:
        inside.set()
        go_on.wait(20)

    first = threading.Thread(target=lambda: lipdub.dub(job.video, job.speech, progress=progress))
    first.start()
    try:
        assert inside.wait(20)
        with pytest.raises(EnvironmentFailure, match=f"in use by process {os.getpid()} "):
            lipdub.dub(job.video, job.speech)
        other = job.folder().with_name("other")
        with pytest.raises(EnvironmentFailure, match=f"is being made by process {os.getpid()} "):
            lipdub.dub(job.video, job.speech, workspace=other)
        assert not other.exists()
    finally:
        go_on.set()
        first.join()
    assert run(job)[1] == []


def test_no_face(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"0:00:00\.400-0:00:00\.480"):
        run(replace(job, no_face="error"))
    assert small_stages.RUNS == ["detect"]
    monkeypatch.setenv("LIPDUB_TEST_FACELESS", "1")
    small_stages.write_video(job.video, frames=3)
    with pytest.raises(InputError, match="no face was found"):
        run(job)
    assert small_stages.RUNS == ["detect"]
    assert not job.result().exists()


def test_a_video_without_a_face_leaves_nothing(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIPDUB_TEST_FACELESS", "1")
    with pytest.raises(InputError, match="no face was found"):
        run(job)
    assert sorted(entry.name for entry in job.video.parent.iterdir()) == ["speech.wav", "video.mp4"]


def test_provenance(job: Job) -> None:
    result, _ = run(job, feather=0.25)
    said = json.loads(result.provenance.read_text())
    assert said["tool"] == "lipdub" and said["version"] == lipdub.__version__ and said["recipe"] == "builtin"
    assert "changed" in said["statement"]
    assert said["stages"]["paste-back"]["options"]["feather"] == 0.25
    assert set(said["inputs"]) == {"source", "speech"} and len(said["result"]["blake2b"]) == 40
    run(job, feather=0.3)
    again = json.loads(result.provenance.read_text())
    assert again["result"]["blake2b"] != said["result"]["blake2b"]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"recipe": "wav2lips"}, UsageError, "no recipe 'wav2lips'"),
        ({"options": {"sync": {"strenght": 1}}}, UsageError, "strenght"),
        ({"options": {"sync": {"strength": 9}}}, UsageError, "strength must be"),
        ({"device": "tpu"}, UsageError, "device"),
        ({"threads": -1}, UsageError, "threads"),
        ({"speech": None}, UsageError, "no speech"),
        ({"out": Path("result.txt")}, UsageError, "cannot be written"),
        ({"out": Path("result")}, UsageError, "cannot be written"),
        ({"video": Path("missing.mp4")}, InputError, "missing.mp4"),
        ({"speech": Path("missing.wav")}, InputError, "missing.wav"),
        ({"mix": Path("missing.wav")}, InputError, "missing.wav"),
    ],
)
def test_refused_before_any_work(job: Job, change: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run_job(replace(job, **change))  # type: ignore[arg-type]
    assert small_stages.RUNS == [] and not job.folder().exists()


def test_bad_files(job: Job, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    empty = tmp_path / "empty.wav"
    empty.touch()
    short = write_tone(tmp_path / "short.wav", seconds=0.05)
    for bad in (
        replace(job, video=text),
        replace(job, video=tmp_path),
        replace(job, video=job.speech or empty),
        replace(job, speech=empty),
        replace(job, speech=tmp_path),
        replace(job, speech=short),
        replace(job, speech=text),
    ):
        with pytest.raises(InputError):
            lipdub.dub(bad.video, bad.speech or empty, job.result())
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "empty.wav",
        "short.wav",
        "speech.wav",
        "text.mp4",
        "video.mp4",
    ]


def test_result_never_replaces_what_lipdub_did_not_make(job: Job, tmp_path: Path) -> None:
    for out in (job.video, job.speech):
        with pytest.raises(UsageError):
            run(replace(job, out=out, overwrite=True))
    link = tmp_path / "link.mp4"
    link.symlink_to(job.video)
    with pytest.raises(UsageError, match="would replace"):
        run(replace(job, out=link, overwrite=True))
    out = tmp_path / "film.mp4"
    out.write_bytes(b"somebody's")
    with pytest.raises(UsageError, match="did not make"):
        run(replace(job, out=out))
    assert out.read_bytes() == b"somebody's"
    run(replace(job, out=out, overwrite=True))
    run(replace(job, out=out), feather=0.1)  # lipdub's own by now
    folder = tmp_path / "folder.mp4"
    folder.mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        run(replace(job, out=folder))


def test_result_folder_is_made_or_refused(job: Job, tmp_path: Path) -> None:
    assert run(replace(job, out=tmp_path / "a" / "b" / "out.mp4"))[0].out.exists()
    with pytest.raises(UsageError, match="is a file"):
        run(replace(job, out=job.video / "out.mp4"))
    if Path("/proc/self").is_dir():
        with pytest.raises(EnvironmentFailure):
            run(replace(job, out=Path("/proc/out.mp4")))


def test_the_end_is_rehearsed_beside_the_first_stage(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules[stages.STAGES["paste-back"]]
    rehearsed: list[bool] = []

    def fail(job: Job, facts: object, options: object) -> None:
        raise EnvironmentFailure("the result could not be muxed")

    with monkeypatch.context() as patch:
        patch.setattr(module, "SPEC", replace(module.SPEC, rehearse=fail))
        with pytest.raises(EnvironmentFailure, match="could not be muxed"):
            run(job)
        assert small_stages.RUNS in ([], ["detect"])
        assert not job.folder().exists() and not job.result().exists()
        patch.setattr(module, "SPEC", replace(module.SPEC, rehearse=lambda *_: rehearsed.append(True)))
        assert run(job)[1] == ALL
        assert rehearsed == [True]
        assert run(job)[1] == []
        assert rehearsed == [True]  # nothing is made any more


def test_a_rehearsal_that_fails_stops_the_first_stage(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    detect, paste_back = (sys.modules[stages.STAGES[name]] for name in ("detect", "paste-back"))
    begun = threading.Event()

    def search(ctx: StageContext, options: object) -> dict[str, object]:
        begun.set()
        end = time.monotonic() + 30
        while time.monotonic() < end:
            ctx.progress(0, 10)
            time.sleep(0.001)
        return {}

    def fail(job: Job, facts: object, options: object) -> None:
        begun.wait(10)
        raise EnvironmentFailure("the result could not be muxed")

    monkeypatch.setattr(detect, "SPEC", replace(detect.SPEC, run=search))
    monkeypatch.setattr(paste_back, "SPEC", replace(paste_back.SPEC, rehearse=fail))
    with pytest.raises(EnvironmentFailure, match="could not be muxed"):
        run(job)
    assert begun.is_set()
    assert not job.folder().exists() and not job.result().exists()


def test_an_error_of_the_first_stage_waits_for_the_rehearsal(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    detect, paste_back = (sys.modules[stages.STAGES[name]] for name in ("detect", "paste-back"))
    is_over = threading.Event()

    def refuse(ctx: StageContext, options: object) -> dict[str, object]:
        raise InputError("the video is damaged")

    def rehearse(job: Job, facts: object, options: object) -> None:
        time.sleep(0.2)
        is_over.set()

    monkeypatch.setattr(detect, "SPEC", replace(detect.SPEC, run=refuse))
    monkeypatch.setattr(paste_back, "SPEC", replace(paste_back.SPEC, rehearse=rehearse))
    with pytest.raises(InputError, match="is damaged"):
        run(job)
    assert is_over.is_set()


@pytest.mark.parametrize("length", [239, 240, 251, 300])
def test_names_up_to_what_the_disk_takes(job: Job, tmp_path: Path, length: int) -> None:
    out = tmp_path / ("n" * (length - 4) + ".mp4")
    if length <= 239:
        run(replace(job, out=out))
        assert provenance_path(out).is_file()
        assert run(replace(job, out=out))[1] == []
        assert not [path for path in tmp_path.iterdir() if path.name.endswith((".part", ".partial"))]
    else:
        with pytest.raises(UsageError, match=r"name .*is too long"):
            run(replace(job, out=out))
        assert small_stages.RUNS == []
        assert sorted(path.name for path in tmp_path.iterdir()) == ["speech.wav", "video.mp4"]


def test_a_finished_result_is_never_foreign(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that ended between the result and its sidecar go on."""
    result, _ = run(job)
    result.provenance.unlink()
    assert run(job)[1] == []
    assert result.provenance.is_file()
    result.provenance.unlink()
    record = json.loads((job.folder() / "workspace.json").read_bytes())
    record["stages"]["paste-back"] |= {"state": "running", "output": None}
    (job.folder() / "workspace.json").write_text(json.dumps(record))
    with pytest.raises(UsageError, match="did not make"):
        run(job)  # begun here, but the file does not say that lipdub made it
    monkeypatch.setattr(provenance, "_has_tags", lambda out: True)
    assert run(job)[1] == ["paste-back"]


def test_the_tags_tell_that_lipdub_made_a_file(tmp_path: Path) -> None:
    tags = provenance.metadata_tags("builtin")
    made = make_video(tmp_path / "made.mp4", pts=range(2), metadata=tags)
    other = make_video(tmp_path / "other.mp4", pts=range(2), metadata={"comment": "somebody's"})
    running = StageRecord(key="", state="running")
    assert provenance.is_result(made, running)
    assert not provenance.is_result(other, running)
    assert not provenance.is_result(made, None)
    (tmp_path / "text.mp4").write_text("text")
    assert not provenance.is_result(tmp_path / "text.mp4", running)


def test_links_as_result(job: Job, tmp_path: Path) -> None:
    """The folder a link points to is made; what a device or a circle is stays so."""
    link = tmp_path / "link.mp4"
    link.symlink_to(Path("new", "store", "0123"))
    run(replace(job, out=link))
    assert (tmp_path / "new" / "store").is_dir()
    for name, target in (("circle.mp4", "circle.mp4"), ("device.mp4", "/dev/null")):
        (tmp_path / name).symlink_to(target)
        with pytest.raises(UsageError, match=r"in a circle|not a plain file"):
            run(replace(job, out=tmp_path / name, overwrite=True))


def test_workspace_can_go(job: Job) -> None:
    result = lipdub.dub(job.video, job.speech, keep_workspace=False)
    assert result.workspace is None and result.out.exists() and not job.folder().exists()


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError()])
def test_what_the_machine_refuses(job: Job, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    module = sys.modules[stages.STAGES["sync"]]

    def full(ctx: object, options: object) -> dict[str, object]:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(module, "SPEC", replace(module.SPEC, run=full))
        with pytest.raises(EnvironmentFailure):
            run(job)
    assert run(job)[1] == ALL[2:]  # what was done is kept


@pytest.mark.slow
def test_terminated_process_says_130(job: Job, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.small_stages", "run", str(job.video), str(job.speech)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "LIPDUB_TEST_PAUSE": "0.3"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    assert first.startswith("recipe")
    process.send_signal(signal.SIGTERM)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 130
    assert "interrupted" in rest and "Traceback" not in rest
    assert not job.result().exists()
    assert run(job)[1] == ALL


def test_import_is_light() -> None:
    heavy = {"torch", "numpy", "av", "zarr", "typer", "rich"}
    code = f"import sys, lipdub; lipdub.dub; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr
