"""What adaptations learn from: the faces of one video, with its own sound in time, and dubbed with other speech."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import EnvironmentFailure, InputError, UsageError, printable
from lipdub.training import shards
from lipdub.training.dataset import Clip, Dataset, open_dataset
from lipdub.training.dataset_folder import INDEX, describe_rejected
from lipdub.training.loop import LoopOptions, make_small_loop
from lipdub.training.own_speech import fit_own_speech, refine_lag
from lipdub.training.prepare import prepare
from lipdub.training.pseudo_targets import dub_video, write_dubbed_clips

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lipdub.arrays import F32
    from lipdub.networks.avsyncnet import AVSyncNet
    from lipdub.progress import Event

    Report = Callable[[str], None]

SILENT_VIDEO = "quiet"
"""Id of the video that is dubbed with silence."""

TRUE_VIDEO = "own"
"""Id of the video with its own sound in time."""

_MIN_SECONDS = 2.0  # of one face, in the video
_CUT_FROM = 1.2  # a video is cut when it is longer than what is learnt by this factor
_AUDIBLE_LAG = 0.005  # seconds of a lag that is worth a word
_MIN_MINUTES = 0.1
_LEAST_MINUTES = 1e-3  # that are left for the training after all preparation
_STEPS = 1_000_000  # more than the minutes allow
_MIN_LEARNT_SECONDS = 6.0  # of a longer video, however few the minutes


@dataclass(frozen=True)
class DubAdaptationOptions:
    """How a model is adapted to a video and to dubs of it.

    Attributes:
        minutes: minutes of wall time, preparation included; 0.1 or more.
        seconds_per_minute: seconds of the video that are learnt for each minute, from its beginning; six at least.
        utterances: sentences of synthetic speech that the video is made to say.
        own_clip_share: share of the windows that show the video as it is.
        silent_clip_share: share of the windows from a dub with silence. The rest are from a dub with other speech.

    Raises:
        UsageError: a value is out of range.
    """

    minutes: float = 10.0
    seconds_per_minute: float = 6.0
    utterances: int = 12
    own_clip_share: float = field(default=0.3, metadata={"added": True})
    silent_clip_share: float = field(default=0.1, metadata={"added": True})

    def __post_init__(self) -> None:
        if not self.minutes >= _MIN_MINUTES:
            raise UsageError(f"--minutes must be {_MIN_MINUTES:g} or more, not {self.minutes:g}")
        if self.utterances < 0:
            raise UsageError(f"utterances must be 0 or more, not {self.utterances}")
        if not (self.own_clip_share >= 0 and self.silent_clip_share >= 0 and self._said_share > 0):
            raise UsageError("own_clip_share and silent_clip_share must be 0 or more, and below 1 together")

    @property
    def learnt_seconds(self) -> float:
        """Seconds of a video that there is time to learn."""
        return max(self.seconds_per_minute * self.minutes, _MIN_LEARNT_SECONDS)

    @property
    def _said_share(self) -> float:
        return 1 - self.own_clip_share - self.silent_clip_share

    def share_windows(self, own: Sequence[Clip], dubbed: Sequence[Clip]) -> dict[str, float]:
        """Give the share of the windows of each video: the one as it is, and its dubs."""
        shares = {clip.video: self._said_share for clip in dubbed} | {SILENT_VIDEO: self.silent_clip_share}
        return shares | {clip.video: self.own_clip_share for clip in own}


def make_adaptation_loop(**changes: Any) -> LoopOptions:
    """Make the options of the training that adapts a generator, with changes: it writes no pictures and few lines."""
    quiet = {"warmup": 20, "save_every": 10_000, "report_every": 50, "sample_every": 0, "validate_every": 0}
    return make_small_loop(**quiet, **changes)


def end_after(loop: LoopOptions, minutes: float, began: float) -> LoopOptions:
    """Make a loop end so many minutes after `began`, a moment of `time.monotonic`, and not after so many steps."""
    left = minutes - (time.monotonic() - began) / 60
    return replace(loop, steps=_STEPS, minutes=max(left, _LEAST_MINUTES))


def cut_beginning(video: Path, seconds: float, folder: Path, report: Report) -> Path:
    """Cut the first seconds of a video; one that is not much longer stays as it is. Raises InputError."""
    import ffmpeg

    from lipdub.media.ffmpeg import find_ffmpeg, run_ffmpeg
    from lipdub.media.frame_index import read_frame_times
    from lipdub.media.probe import probe

    facts, times = probe(video), read_frame_times(video)
    if facts.video is None or not facts.audio or times[-1] - times[0] <= _CUT_FROM * seconds:
        return video
    out, source = folder / "beginning.mkv", ffmpeg.input(video.absolute(), t=seconds)
    coding = {"c:v": "libx264", "crf": 8, "preset": "ultrafast", "c:a": "pcm_s16le"}
    streams = (source[str(facts.video.index)], source[str(facts.audio[0].index)])
    run_ffmpeg(ffmpeg.output(*streams, filename=out, **coding), find_ffmpeg())
    report(f"there is time to learn only the first {seconds:.0f} s of {video.name}")
    return out


def load_speech(speech: Path, seconds: float) -> tuple[F32, float]:
    """Load the first seconds of a speech, (samples,) float32 at 16 kHz; and the seconds that are left out."""
    from lipdub.media.audio import load_audio

    whole = load_audio(speech, SAMPLE_RATE_HZ)
    learnt = whole[: round(seconds * SAMPLE_RATE_HZ)]
    return learnt, (len(whole) - len(learnt)) / SAMPLE_RATE_HZ


def load_own_speech(video: Path) -> F32:
    """Load a video's speech from the middle on, then its beginning, so that frames say other speech than their own."""
    from lipdub.media.audio import load_audio

    audio = load_audio(video, SAMPLE_RATE_HZ)
    return np.roll(audio, len(audio) // 2)


def prepare_dataset(video: Path, folder: Path, pixels: int, report: Report) -> Dataset:
    """Make a dataset of a video of one person (`training.prepare`). Raises InputError if its faces are too few."""

    def follow(event: Event) -> None:
        if event.kind == "warn":
            report(event.message)

    clips = {"size": pixels, "min_sync": 0.0, "min_face": 0.0, "shortest": 0.4}
    try:
        prepare([video], folder, clips=clips, split={"held_out": 0.0}, speaker="talker", strict=True, progress=follow)
    except InputError as error:
        if not (folder / INDEX).exists():
            raise
        reasons = describe_rejected(json.loads((folder / INDEX).read_text(encoding="utf-8"))["counts"])
        raise InputError(
            f"nothing of {printable(video)} can be learnt: {reasons or 'no video'}",
            hint="It takes a video of one person who talks, with sound.",
        ) from error
    data = open_dataset(folder)
    seconds = sum(clip.frames for clip in data.clips) / shards.FPS
    if seconds < _MIN_SECONDS:
        raise InputError(
            f"{printable(video)} shows {seconds:.1f} s of one face only", hint=f"{_MIN_SECONDS:g} s are needed."
        )
    return data


def dub_clips(data: Dataset, video: Path, speeches: Sequence[F32], folder: Path) -> list[Clip]:
    """Dub a video by the built-in recipe with silence and with each speech, and add the clips to its dataset.

    Args:
        data: dataset of the video.
        video: the video.
        speeches: (samples,) float32 at 16 kHz each.
        folder: where the dubbed videos are written.
    """
    span = round(max(clip.start + clip.frames / shards.FPS for clip in data.clips) * SAMPLE_RATE_HZ)
    sounds = {SILENT_VIDEO: np.zeros(span, np.float32)}
    for i, audio in enumerate(speeches):
        # No part is longer than the video: past its end the frames would no longer be of the same moments.
        for k in range(0, len(audio), span):
            if k == 0 or len(audio) - k >= SAMPLE_RATE_HZ:
                sounds[f"said-{i}-{k // span}"] = audio[k : k + span]
    return [
        clip
        for name, sound in sounds.items()
        for clip in write_dubbed_clips(data, dub_video(video, sound, folder / name), sound, name)
    ]


def retime_own_clips(
    data: Dataset, video: Path, sync: AVSyncNet, lead: float, min_contrast: float, report: Report
) -> list[Clip]:
    """Give the video's clips with its own sound where the lips say it; none where that sound does not fit them.

    Args:
        data: dataset of the video.
        video: the video.
        sync: AVSyncNet.
        lead: seconds by which the mouths that AVSyncNet learnt from come late.
        min_contrast: contrast from which on the sound fits the lips (`own_speech.SpeechFit`).
        report: called with a line on what was found.
    """
    fit = fit_own_speech(data, sync)
    if fit is None or fit.contrast < min_contrast:
        report(
            "the video's sound does not fit its lips, so the model learns what they say from dubs alone; "
            "you need not do anything"
        )
        return []
    # AVSyncNet learnt from the mouths that come late by the model's lead.
    fit = refine_lag(data, replace(fit, seconds=fit.seconds - lead))
    late = ""
    if abs(fit.seconds) >= _AUDIBLE_LAG:
        late = f", {1000 * abs(fit.seconds):.0f} ms {'late' if fit.seconds > 0 else 'early'}"
    report(f"the video's sound fits its lips{late}: they are learnt as they are")
    ends = [round(clip.start * SAMPLE_RATE_HZ) + clip.frames * shards.SAMPLES_PER_FRAME for clip in data.clips]
    sound, shift = np.zeros(max(ends), np.float32), round(fit.seconds * SAMPLE_RATE_HZ)
    for clip, end in zip(data.clips, ends, strict=True):
        heard = data.read_audio(clip)
        sound[end - len(heard) : end] = heard
    moved = sound[shift:] if shift >= 0 else np.concatenate([np.zeros(-shift, np.float32), sound])
    return list(write_dubbed_clips(data, video, moved, TRUE_VIDEO))


def collect_other_speech(
    video: Path, speech: Sequence[Path], seconds: float, utterances: int, seed: int, report: Report
) -> list[tuple[str, F32]]:
    """Collect other speech for dubs and a sync regularizer: what each is, and (samples,) float32 at 16 kHz.

    Args:
        video: whose own speech is taken where there is no other.
        speech: sound files.
        seconds: of each file, at most.
        utterances: sentences of synthetic speech.
        seed: of these.
        report: called with a line where there is no synthesiser.
    """
    sounds = [(path.name, load_speech(path, seconds)[0]) for path in speech]
    if utterances:
        try:
            sounds += [("synthetic speech", sound) for sound in _synthesize(utterances, seed)]
        except EnvironmentFailure as error:
            report(f"no synthetic speech: {error}")
    return sounds or [("its own speech from half its length on", load_own_speech(video))]


def _synthesize(count: int, seed: int) -> list[F32]:
    """Speak random sentences with random voices. Raises EnvironmentFailure without a synthesiser."""
    from lipdub.training.rendered.voices import Manner, draw_utterance, list_kinds

    kinds = list_kinds()
    return [draw_utterance(seed * 1000 + i, kinds, Manner()).audio for i in range(count)]
