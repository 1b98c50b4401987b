"""`lipdub adapt`: a talking-face model fine-tuned on the talker of one video (few-shot).

A generator that reconstructs the few seconds there are learns them by heart and no longer follows new sounds. Ki and Min,
"StyleLipSync" (ICCV 2023), section 4, let it say other speech with the same face, for which only the synchronization loss is asked.
That trusts the sync network with voices it never heard, and an AVSyncNet that was trained on one is not to be trusted so far: its
generators learnt to please it with patterns, and followed a woman's voice not at all. So the speech that is given is first put into
the talker's mouth by the built-in recipe (`lipdub.stages.sync_units`), which knows all voices, and that video is learnt from like the
other one. So is one of silence, which shows what this talker's shut mouth looks like. References are of the same moment in another of
these videos half of the time: as when it dubs, a generator sees the very frame with another mouth, which it must not copy. Only where
no speech is given is the regularizer taken besides, with the video's own sound in changed voices.

What is asked is that pixels, above all the mouth's, and perceptual features are right. In so few minutes the GAN and synchronization
losses made patterns on the lips, and with the paper's weights the mouth, a small part of the face, was hardly learnt: it followed the
given speech with a correlation of 0.09 instead of 0.30.

Both generators of paper 003 are adapted: the silent-lip generator first, and from what it is then the talking-face generator, which
learns from faces that the first one shuts.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import interpolate

from lipdub.errors import InputError, UsageError, shown
from lipdub.networks.face_generator import FaceGenerator
from lipdub.progress import Event
from lipdub.training import shards
from lipdub.training.augment_faces import FaceChanges, VoiceChanges
from lipdub.training.card import sentence
from lipdub.training.dataset import Dataset, open_dataset
from lipdub.training.face_windows import WindowDraw
from lipdub.training.loop import LoopOptions
from lipdub.training.talking_face import GeneratorTraining, Weights, trained
from lipdub.weights import talker
from lipdub.weights.talker import TalkerModel

_LEAST_SECONDS = 2.0  # of a face that talks
# One talker in one light: what is drawn by chance only keeps the video from being learnt pixel by pixel.
_VIEWS = FaceChanges(
    shift=0.02, scale=0.02, stretch=0.0, turn=1.0, light=0.03, slope=0.0, contrast=0.0, blur=0.3, noise=0.0, flip=0.0, blurred=0.0
)  # fmt: skip
_VOICES = VoiceChanges(tract=0.05, tone=3.0, louder=3.0, softer=6.0)
_STEPS = 1_000_000  # more than there can be: the minutes end it


@dataclass(frozen=True)
class Adaptation:
    """minutes: of wall time in all, at least 0.1, what is prepared included; pixels: of the faces (0: the model's own); silent_share: of
    the time, for the silent-lip generator; taught: most seconds of each speech that are learnt; other: weight of the sync
    regularizer; draw, weights, loop: as in `GeneratorTraining`, for both."""

    minutes: float = 10.0
    pixels: int = 0
    silent_share: float = 0.5
    taught: float = 30.0
    other: float = 0.1
    draw: WindowDraw = WindowDraw(windows=3, views=_VIEWS, voices=_VOICES, across=0.5)
    weights: Weights = Weights(mouth=4.0, perceptual=0.3, sync=0.0, triplet=0.0, adversarial=0.0)
    loop: LoopOptions = field(
        default_factory=lambda: LoopOptions(
            rate=1e-3, decay=0.0, betas=(0.5, 0.999), warmup=20, average=0.99, precision="bf16", workers=1, save_every=10_000
        )
    )

    def __post_init__(self) -> None:
        if not self.minutes >= 0.1:
            raise UsageError(f"--minutes must be 0.1 or more, not {self.minutes:g}")
        if not 0.05 <= self.silent_share <= 0.95:
            raise UsageError(f"silent_share must be 0.05 to 0.95, not {self.silent_share:g}")


def adapt(
    video: Path,
    base: Path,
    out: Path,
    *,
    speech: Sequence[Path] = (),
    options: Adaptation | None = None,
    seed: int = 0,
    threads: int = 2,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> TalkerModel:
    """Fine-tune a model on a video's talker and write it. Ends when its minutes are over.

    Args:
        video: someone talking, heard and seen, two seconds at least. base: the model to begin with, with both generators. out: the
            file to write (`weights.talker`). speech: sound files of other speech, best that which is to be dubbed.
    Raises:
        InputError: no such video, no face or sound in it, too little of it. WeightsError: no such model. UsageError.
    """
    options, say = options or Adaptation(), progress or (lambda text: None)
    began = time.monotonic()
    torch.set_num_threads(max(threads, 1))
    model = talker.load(base)
    if model.silent is None or model.talking is None:
        raise UsageError(f"{shown(base)} holds no talking-face generator", hint="lipdub train stabilized makes one.")
    pixels = options.pixels or model.pixels
    with tempfile.TemporaryDirectory(prefix="lipdub-adapt-") as folder:
        data = _dataset([video], Path(folder) / "faces", pixels, say)
        seconds = sum(clip.frames for clip in data.clips) / shards.FPS
        others = _own_sounds(data) if not speech and options.other > 0 else []
        said = [_quiet(video, seconds, Path(folder) / "quiet")]
        for i, path in enumerate(speech):
            said.append(_said(video, path, options.taught, Path(folder) / f"said-{i}", say))
        data = _dataset([video, *said], Path(folder) / "faces", pixels, say)
        left = options.minutes - (time.monotonic() - began) / 60
        spans = {"silent": options.silent_share * left, "talking": (1 - options.silent_share) * left}
        made: dict[str, FaceGenerator] = {}
        for name in ("silent", "talking"):
            training = _training(name, options if others else replace(options, other=0.0), spans[name])
            begin = made.get("silent") or resized(model.silent, pixels)
            hearing = replace(model, silent=made.get("silent"))
            made[name] = trained(
                "silent-lip" if name == "silent" else "stabilized", data, None, hearing, Path(folder) / name, training,
                seed=seed, device=device, begin=begin, others=others, progress=say,
            )  # fmt: skip
    notes = {
        "seed": seed,
        "adaptation": asdict(options),
        "seconds": seconds,
        "video": video.name,
        "speech": [path.name for path in speech],
        "figures": {},
    }
    model = TalkerModel(model.sync, made["silent"], made["talking"], {**model.notes, "adapted": notes, "remark": _remark(notes)})
    talker.save(out, model)
    say(f"adapted in {(time.monotonic() - began) / 60:.1f} minutes on {seconds:.1f} s of {video.name}")
    return model


def card(model: TalkerModel, command: str) -> str:
    """What there is to know of an adapted model, as Markdown."""
    notes = model.notes["adapted"]
    return "\n".join([
        f"# Adapted to {notes['video']}",
        "",
        sentence(str(model.notes["remark"])),
        "",
        f"- made by: `{command}`, seed {notes['seed']}",
        f"- data: {notes['seconds']:.1f} s of that video, and of the same with other speech put into its mouth by the built-in recipe: "
        f"{', '.join(notes['speech']) or 'none'}",
        "- licence: that of the video; it shows a person, whose consent is needed",
        "- limits: it knows this talker in this light, and no other",
        "",
        "```json",
        json.dumps(notes["adaptation"], indent=1),
        "```",
        "",
    ])  # fmt: skip


def _remark(notes: dict[str, Any]) -> str:
    return (
        f"fine-tuned on {notes['seconds']:.1f} s of {notes['video']} in {notes['adaptation']['minutes']:g} minutes: for this talker "
        "alone"
    )


def _training(name: str, options: Adaptation, minutes: float) -> GeneratorTraining:
    loop = replace(options.loop, steps=_STEPS, minutes=max(minutes, 1e-3))
    weights = replace(options.weights, other=options.other if name == "talking" else 0.0)
    whole = GeneratorTraining(draw=options.draw, weights=weights, loop=loop)
    return whole if name == "talking" else replace(whole, silent=False, sync_loss="none", triplet_loss="none")


def _said(video: Path, speech: Path, seconds: float, folder: Path, say: Callable[[str], None]) -> Path:
    """A video in which the built-in recipe makes the talker say the first seconds of a speech."""
    from lipdub.media.audio import load_audio
    from lipdub.speech import mel

    heard = load_audio(speech, mel.RATE)[: round(seconds * mel.RATE)]
    out = _dubbed(video, heard, folder)
    say(f"{speech.name}: {len(heard) / mel.RATE:.1f} s of it put into the talker's mouth by the built-in recipe, to learn from")
    return out


def _quiet(video: Path, seconds: float, folder: Path) -> Path:
    """A video in which the talker's mouth stays shut."""
    from lipdub.speech import mel

    return _dubbed(video, np.zeros(round(seconds * mel.RATE), np.float32), folder)


def _dubbed(video: Path, sound: np.ndarray, folder: Path) -> Path:
    from scipy.io import wavfile

    from lipdub import pipeline
    from lipdub.speech import mel

    folder.mkdir()
    wavfile.write(folder / "speech.wav", mel.RATE, sound)
    out = folder / f"{folder.name}.mkv"
    pipeline.dub(video, folder / "speech.wav", out, recipe="builtin", length="speech", crf=12, preset="ultrafast")
    return out


def _dataset(videos: Sequence[Path], folder: Path, pixels: int, say: Callable[[str], None]) -> Dataset:
    """The faces and sound of videos of one talker (`training.prepare`)."""
    from lipdub.training.prepare import prepare

    def told(event: Event) -> None:
        if event.kind == "warn":
            say(event.message)

    clips = {"size": pixels, "min_sync": 0.0, "min_face": 0.0, "shortest": 0.4}
    prepare(videos, folder, clips=clips, split={"held_out": 0.0}, speaker="talker", strict=True, progress=told)
    data = open_dataset(folder)
    seconds = sum(clip.frames for clip in data.clips) / shards.FPS
    if seconds < _LEAST_SECONDS:
        raise InputError(f"{shown(videos[0])} shows {seconds:.1f} s of one face only", hint=f"{_LEAST_SECONDS:g} s are needed.")
    return data


def _own_sounds(data: Dataset) -> list[np.ndarray]:
    from lipdub.metrics.avsync import spectrogram

    return [spectrogram(data.read(clip).audio) for clip in data.clips]


def resized(generator: FaceGenerator, pixels: int) -> FaceGenerator:
    """A generator for faces of other pixels, with the same weights; the kernels that take in the whole smallest map are resampled to
    its new size. UsageError where it would have more or fewer blocks."""
    if generator.size.pixels == pixels:
        return generator
    try:
        size = replace(generator.size, pixels=pixels)
    except ValueError as error:
        raise UsageError(str(error)) from error
    old, new = generator.size.sides(), size.sides()
    if len(old) != len(new):
        known = generator.size.pixels // old[-1]
        raise UsageError(f"a model of {generator.size.pixels} pixels cannot be taken to {pixels}", hint=f"Take {3 * known} or {4 * known}.")
    made, state = FaceGenerator(size), dict(generator.state_dict())
    for name, value in made.state_dict().items():
        kernel = state[name]
        if kernel.shape != value.shape:
            resampled = interpolate(kernel, value.shape[2:], mode="bilinear", align_corners=False)
            gathers = name.endswith("last.0.weight")  # it sums over the map; the other one spreads over it
            state[name] = resampled * ((old[-1] / new[-1]) ** 2 if gathers else 1.0)
    made.load_state_dict(state)
    return made
