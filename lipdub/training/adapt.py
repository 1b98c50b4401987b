"""Fine-tuning of a talking-face model on the person in one video, for `lipdub adapt`.

A generator that only reconstructs a few seconds of video memorizes them and stops following new sounds. Ki and Min,
"StyleLipSync" (ICCV 2023), section 4, add other speech, for which only the synchronization loss counts. That loss must
judge voices it never heard. An AVSyncNet that heard one voice's mel spectrograms cannot: its generators learnt to
satisfy it with patterns, and did not follow a woman's voice at all. So the built-in recipe
(`lipdub.stages.sync.units`), which handles all voices, first dubs the video with the other speech, and the model learns
from the dubbed videos. The other speech is what the user gives, or the video's own from half its length on, which
teaches little about other speech. The paper's regularizer remains for experiments
(`AdaptationOptions.sync_regularizer`).

One more video is dubbed with silence, which shows this person's closed mouth. All these videos show the same frames
with different mouths, and each is the reference for the others. As in dubbing, a generator sees the very frame with a
mouth that it must not copy. What the talking-face generator draws from two of them must be the same. Most windows show
what a generator is for. The silent-lip generator closes the mouths of the two other videos. The talking-face generator
takes closed mouths and says the other speech.

A base model that hears phones knows any voice, so the talking-face generator begins as the base's own. It also learns
the video as it is, with its own sound, where AVSyncNet finds that sound and lips belong together. No dub moves like the
talker. In the end its weights go a part of the way back to the base's. A base model that hears mel spectrograms knows
few voices, and its talking-face generator begins as the silent-lip generator.

Only pixels, above all the mouth's, and perceptual features count. In so few minutes the GAN and synchronization losses
made patterns on the lips. No loss needs five successive faces, so each face is of another moment.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import interpolate

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import UsageError, printable
from lipdub.metrics.avsyncnet import find_sound_windows
from lipdub.networks.avsyncnet import FRAMES
from lipdub.networks.face_generator import FaceGenerator
from lipdub.training import shards
from lipdub.training.adaptation_data import (
    SILENT_VIDEO,
    TRUE_VIDEO,
    cut_beginning,
    dub_clips,
    load_own_speech,
    load_speech,
    prepare_dataset,
    retime_own_clips,
)
from lipdub.training.card import collect_adaptation_notes, describe_adaptation, render_adaptation_card
from lipdub.training.config import setting
from lipdub.training.dataset import Clip, Dataset, TalkingClips
from lipdub.training.face_augmentation import ONE_PERSON, VoiceAugmentation
from lipdub.training.face_windows import WindowSampling
from lipdub.training.loop import LoopOptions
from lipdub.training.talking_face import GeneratorOptions, LossWeights, train_generator
from lipdub.weights import talking_face_file
from lipdub.weights.talking_face_file import TalkingFaceModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from lipdub.arrays import F32

    Report = Callable[[str], None]

_MIN_LEARNT_SECONDS = 6.0  # of a longer video or speech, however few the minutes
_VOICE_AUGMENTATION = VoiceAugmentation(tract=0.05, tone=3.0, louder=3.0, softer=6.0)
_STEPS = 1_000_000  # more than the minutes allow
_MIN_MINUTES = 0.1


def _default_sampling() -> WindowSampling:
    return WindowSampling(
        windows=9,
        frames=1,
        face_augmentation=ONE_PERSON,
        voice_augmentation=_VOICE_AUGMENTATION,
        cross_video_share=1.0,
    )


def _default_loss_weights() -> LossWeights:
    return LossWeights(mouth=4.0, perceptual=1.5, sync=0.0, triplet=0.0, adversarial=0.0, reference=4.0)


def _default_loop() -> LoopOptions:
    return LoopOptions(
        learning_rate=1e-3,
        weight_decay=0.0,
        betas=(0.5, 0.999),
        warmup=20,
        ema_decay=0.99,
        precision="bf16",
        workers=-1,
        save_every=10_000,
    )


@dataclass(frozen=True)
class AdaptationOptions:
    """How a model is adapted.

    Attributes:
        minutes: minutes of wall time, preparation included; 0.1 or more.
        pixels: side of the faces; 0: the largest that the model can be resized to.
        silent_lip_time_share: share of the time for the silent-lip generator.
        silent_clip_share: share of the silent-lip generator's windows in which it closes the mouth.
        dubbed_clip_share: share of the talking-face generator's windows in which it says the other speech.
        own_clip_share: share of the talking-face generator's windows that show the video as it is, where the base
            hears phones and the video's sound fits its lips. The other shares then share the rest.
        base_share: share of the base's talking-face generator in the adapted one, whose weights are the mean of both:
            it hears strangers' speech better than a generator that learnt one (Wortsman et al., Robust Fine-Tuning of
            Zero-Shot Models, CVPR 2022). 0 where the base has none.
        min_own_contrast: contrast from which on the video's sound fits its lips (`own_speech.SpeechFit`).
        seconds_per_minute: seconds of the video and of each speech that are learnt for each minute, from their
            beginning; six seconds at least.
        sync_regularizer: weight of the sync regularizer, which needs `sampling.frames` 5.
        sampling: how both generators' windows are drawn.
        loss_weights: weights of both generators' losses.
        loop: both generators' training loop.

    Raises:
        UsageError: a value is out of range.
    """

    minutes: float = 10.0
    pixels: int = 0
    silent_lip_time_share: float = setting(0.3, was="silent_share")
    silent_clip_share: float = setting(0.8, was="shut")
    dubbed_clip_share: float = setting(0.85, was="said")
    own_clip_share: float = field(default=0.35, metadata={"added": True})
    min_own_contrast: float = field(default=0.22, metadata={"added": True})
    base_share: float = field(default=0.3, metadata={"added": True})
    seconds_per_minute: float = setting(3.0, was="taught")
    sync_regularizer: float = setting(0.0, was="other")
    sampling: WindowSampling = setting(was="draw", factory=_default_sampling)
    loss_weights: LossWeights = setting(was="weights", factory=_default_loss_weights)
    loop: LoopOptions = field(default_factory=_default_loop)

    def __post_init__(self) -> None:
        if not self.minutes >= _MIN_MINUTES:
            raise UsageError(f"--minutes must be {_MIN_MINUTES:g} or more, not {self.minutes:g}")
        if not 0.05 <= self.silent_lip_time_share <= 0.95:
            raise UsageError(f"silent_lip_time_share must be 0.05 to 0.95, not {self.silent_lip_time_share:g}")
        if self.sync_regularizer > 0 and self.sampling.frames != FRAMES:
            raise UsageError(f"with sync_regularizer sampling.frames must be {FRAMES}, not {self.sampling.frames}")
        for name in ("silent_clip_share", "dubbed_clip_share", "own_clip_share", "base_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} must be 0 to 1, not {getattr(self, name):g}")


def adapt(
    video: Path,
    base: Path,
    out: Path,
    *,
    speech: Sequence[Path] = (),
    options: AdaptationOptions | None = None,
    seed: int = 0,
    threads: int = 2,
    device: str = "cpu",
    progress: Report | None = None,
) -> TalkingFaceModel:
    """Fine-tune a model on the person in a video and write it. The training ends after its minutes.

    Args:
        video: a person who talks, heard and seen, for two seconds or more.
        base: the model to begin with, with both generators.
        out: the file to write (`weights.talking_face_file`).
        speech: sound files of other speech, best the one to dub.
        options: minutes, shares and training.
        seed: seed of all random choices.
        threads: threads of the processor.
        device: "auto", or PyTorch's name of a device.
        progress: called with one line of text now and then.

    Returns:
        the adapted model.

    Raises:
        InputError: there is no such video, or too little of a face or of sound in it.
        WeightsError: there is no such model.
        UsageError: the model has no talking-face generator, or cannot be resized.
    """
    options, report = options or AdaptationOptions(), progress or (lambda text: None)
    began = time.monotonic()
    torch.set_num_threads(max(threads, 1))
    model = talking_face_file.load(base)
    if model.silent is None or model.talking is None:
        raise UsageError(
            f"{printable(base)} holds no talking-face generator", hint="lipdub train stabilized makes one."
        )
    pixels = options.pixels or largest_face_pixels(model.silent)
    most = max(options.seconds_per_minute * options.minutes, _MIN_LEARNT_SECONDS)
    with tempfile.TemporaryDirectory(prefix="lipdub-adapt-") as temporary:
        folder = Path(temporary)
        learnt = cut_beginning(video, most, folder, report)
        data = prepare_dataset(learnt, folder / "faces", pixels, report)
        seconds = sum(clip.frames for clip in data.clips) / shards.FPS
        windows, own = find_sound_windows(model.sync.size), TalkingClips(data)
        others = [windows.compute(own.audio(i)) for i in range(len(own))] if options.sync_regularizer > 0 else []
        speeches = [_load_speech(path, most, report) for path in speech] or [load_own_speech(learnt)]
        if not speech and model.sync.size.audio == "mel":
            report("without --speech the model learns from the video's own speech and follows other speech poorly")
        dubbed = dub_clips(data, learnt, speeches, folder)
        shown: Sequence[Clip] = data.clips
        if model.sync.size.audio != "mel":
            # In the place of the others: a frame must not be its own reference.
            shown = retime_own_clips(data, learnt, model.sync, model.lead, options.min_own_contrast, report) or shown
        shares = _video_shares(shown, dubbed, options)
        data = data.with_clips((*shown, *dubbed))
        minutes = options.minutes - (time.monotonic() - began) / 60
        train = partial(train_generator, seed=seed, device=device, others=others, progress=report)
        begin = replace(
            model,
            silent=resize_generator(model.silent, pixels),
            talking=resize_generator(model.talking, pixels) if model.sync.size.audio != "mel" else None,
        )
        silent, talking = _train_generators(train, begin, (data, shares), folder, options, minutes)
    notes = collect_adaptation_notes(options, seed, seconds, video, speech)
    adapted = TalkingFaceModel(
        model.sync, silent, talking, {**model.notes, "adapted": notes, "remark": describe_adaptation(notes)}
    )
    talking_face_file.save(out, adapted)
    report(f"adapted in {(time.monotonic() - began) / 60:.1f} minutes on {seconds:.1f} s of {video.name}")
    return adapted


def render_card(model: TalkingFaceModel, command: str) -> str:
    """Render the card of an adapted model, as Markdown. `command` is the command line that made it."""
    notes = model.notes["adapted"]
    speech = ", ".join(notes["speech"]) or "its own speech from half its length on"
    dubs = f"data: {notes['seconds']:.1f} s of that video, and that video dubbed by recipe builtin with {speech}"
    return render_adaptation_card(notes, command, [dubs])


def _train_generators(
    train: Callable[..., FaceGenerator],
    model: TalkingFaceModel,
    windows: tuple[Dataset, dict[str, dict[str, float]]],
    folder: Path,
    options: AdaptationOptions,
    minutes: float,
) -> tuple[FaceGenerator, FaceGenerator]:
    """Train the silent-lip generator, then the talking-face generator.

    Args:
        train: `train_generator` with seed, device and progress.
        model: AVSyncNet, and the generators to begin with. Without a talking-face generator, it begins as the trained
            silent-lip generator.
        windows: the clips, and each generator's shares of the videos.
        folder: folder of the checkpoints.
        options: time share and training.
        minutes: minutes of wall time for both.
    """
    data, shares = windows
    share = options.silent_lip_time_share
    closes = _generator_options("silent", options, share * minutes)
    says = _generator_options("talking", options, (1 - share) * minutes)
    alone = replace(model, silent=None, talking=None)
    silent = train(
        "silent-lip", data, None, alone, folder / "silent", closes, begin=model.silent, shares=shares["silent"]
    )
    both, begin = replace(model, silent=silent, talking=None), model.talking or silent
    talking = train("stabilized", data, None, both, folder / "talking", says, begin=begin, shares=shares["talking"])
    if model.talking is not None:
        mix_weights(talking, model.talking, options.base_share)
    return silent, talking


@torch.no_grad()
def mix_weights(network: nn.Module, other: nn.Module, share: float) -> None:
    """Move a network's weights towards those of another of the same size, by a share of the way, in place."""
    weights = other.state_dict()
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.lerp_(weights[name].to(value), share)


def _generator_options(part: str, options: AdaptationOptions, minutes: float) -> GeneratorOptions:
    """Give the options of one generator's training, which has these minutes."""
    loop = replace(options.loop, steps=_STEPS, minutes=max(minutes, 1e-3))
    weights = replace(options.loss_weights, sync_regularizer=options.sync_regularizer)
    if part == "talking":
        return GeneratorOptions(sampling=options.sampling, loss_weights=weights, loop=loop)
    weights = replace(weights, sync_regularizer=0.0, reference=0.0)
    return GeneratorOptions(sampling=options.sampling, loss_weights=weights, loop=loop).for_silent_lip()


def _video_shares(
    own: Sequence[Clip], dubbed: Sequence[Clip], options: AdaptationOptions
) -> dict[str, dict[str, float]]:
    """Give the share of each generator's windows for each video; dubbed videos share by their length.

    Where the sound of `own` fits the lips (`TRUE_VIDEO`), the talking-face generator learns these clips as the truth.
    """
    frames: dict[str, float] = {}
    for clip in dubbed:
        if clip.video != SILENT_VIDEO:
            frames[clip.video] = frames.get(clip.video, 0) + clip.frames
    total = sum(frames.values())

    def divide(on_silent: float, on_dubbed: float, on_own: float) -> dict[str, float]:
        by_video = {video: on_dubbed * count / total for video, count in frames.items()}
        return {SILENT_VIDEO: on_silent, own[0].video: on_own, **by_video}

    closing, saying = options.silent_clip_share, options.dubbed_clip_share
    rest = (1 - saying) / 3
    talking = divide(rest, saying, 2 * rest)
    if own[0].video == TRUE_VIDEO:
        others = 1 - options.own_clip_share
        talking = divide(others * (1 - saying), others * saying, options.own_clip_share)
    return {"silent": divide(closing, (1 - closing) / 2, (1 - closing) / 2), "talking": talking}


def _load_speech(speech: Path, seconds: float, report: Report) -> F32:
    """Load the first seconds of a speech, (samples,) float32 at 16 kHz, and report how much is learnt."""
    learnt, rest = load_speech(speech, seconds)
    report(f"{speech.name}: {len(learnt) / SAMPLE_RATE_HZ:.1f} s are learnt from videos dubbed by the built-in recipe")
    if rest > 0:
        report(f"the mouth will follow the other {rest:.0f} s of {speech.name} less well: give more --minutes")
    return learnt


def largest_face_pixels(generator: FaceGenerator) -> int:
    """Give the larger of the two face sizes that a generator's blocks allow (`resize_generator`): 128 for one of 96."""
    sides = generator.size.sides()
    return 4 * generator.size.pixels // sides[-1]


def resize_generator(generator: FaceGenerator, pixels: int) -> FaceGenerator:
    """Give a generator for faces of another size, with the same weights.

    The kernels that span the whole smallest map are resampled to its new size.

    Args:
        generator: the generator.
        pixels: side of the new generator's faces.

    Raises:
        UsageError: the new size needs more or fewer blocks.
    """
    if generator.size.pixels == pixels:
        return generator
    try:
        size = replace(generator.size, pixels=pixels)
    except ValueError as error:
        raise UsageError(str(error)) from error
    old, new = generator.size.sides(), size.sides()
    if len(old) != len(new):
        most = largest_face_pixels(generator)
        raise UsageError(
            f"a model of {generator.size.pixels} pixels cannot be resized to {pixels}",
            hint=f"Take {3 * most // 4} or {most}.",
        )
    resized, state = FaceGenerator(size), dict(generator.state_dict())
    for name, value in resized.state_dict().items():
        kernel = state[name]
        if kernel.shape != value.shape:
            resampled = interpolate(kernel, value.shape[2:], mode="bilinear", align_corners=False)
            sums_map = name.endswith("last.0.weight")  # the other kernel spreads over the map
            state[name] = resampled * ((old[-1] / new[-1]) ** 2 if sums_map else 1.0)
    resized.load_state_dict(state)
    return resized
