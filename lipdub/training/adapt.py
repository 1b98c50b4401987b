"""`lipdub adapt`: a talking-face model fine-tuned on the talker of one video (few-shot).

A generator that reconstructs the few seconds there are learns them by heart and no longer follows new sounds. Ki and Min,
"StyleLipSync" (ICCV 2023), section 4, let it say other speech with the same face, for which only the synchronization loss is asked.
That trusts the sync network with voices it never heard, and an AVSyncNet that was trained on one is not to be trusted so far: its
generators learnt to please it with patterns, and followed a woman's voice not at all. So the other speech is first put into the
talker's mouth by the built-in recipe (`lipdub.stages.sync.units`), which knows all voices, and that video is learnt from: the speech
that is given, or the video's own from half its length on, which teaches little about others. The paper's regularizer is there for
trials (`Adaptation.other`).

Another video is made of silence, which shows what this talker's shut mouth looks like. These videos show the same frames with other
mouths, and each is the other's reference: as when it dubs, a generator sees the very frame with a mouth that it must not copy. What
each generator is for makes up most of what it learns. The silent-lip generator is to shut the mouths of the two others, and the
talking-face generator, which begins as it and sees what it has shut, to say the other speech.

What is asked is that pixels, above all the mouth's, and perceptual features are right. In so few minutes the GAN and synchronization
losses made patterns on the lips. As no loss needs five faces in a row, each is of another moment.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import interpolate

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import InputError, UsageError, printable
from lipdub.networks.avsyncnet import FRAMES
from lipdub.networks.face_generator import FaceGenerator
from lipdub.training import shards
from lipdub.training.card import to_sentence
from lipdub.training.dataset import Clip, Dataset, TalkingClips, open_dataset
from lipdub.training.face_augmentation import FaceAugmentation, VoiceAugmentation
from lipdub.training.face_windows import WindowSampling
from lipdub.training.loop import LoopOptions
from lipdub.training.prepare import prepare
from lipdub.training.pseudo_targets import write_dubbed_clips
from lipdub.training.talking_face import GeneratorOptions, LossWeights, train_generator
from lipdub.weights import talking_face_file
from lipdub.weights.talking_face_file import TalkingFaceModel
from lipdub.workspace.keys import digest_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lipdub.progress import Event

_LEAST_SECONDS = 2.0  # of a face that talks
_LEAST_TAUGHT = 6.0  # seconds that are learnt of what is longer, however few the minutes
# One talker in one light: what is drawn by chance only keeps the video from being learnt pixel by pixel.
_VIEWS = FaceAugmentation(
    shift=0.02,
    scale=0.02,
    stretch=0.0,
    turn=1.0,
    light=0.03,
    slope=0.0,
    contrast=0.0,
    blur=0.3,
    noise=0.0,
    flip=0.0,
    blurred=0.0,
)
_VOICES = VoiceAugmentation(tract=0.05, tone=3.0, louder=3.0, softer=6.0)
_QUIET = "quiet"  # the video in which nothing is said
_STEPS = 1_000_000  # more than there can be: the minutes end it


@dataclass(frozen=True)
class AdaptationOptions:
    """minutes: of wall time in all, at least 0.1, what is prepared included; pixels: of the faces (0: the most that the model can be
    taken to); silent_share: of the time, for the silent-lip generator; shut, said: shares of what the silent-lip generator sees that
    it is to shut, and of what the talking-face generator sees that it is to let say the other speech; taught: seconds of the
    video and of each speech, their first, that are learnt for each minute, six seconds at least; other: weight of the sync
    regularizer, for which `draw.frames` must be 5; draw, weights, loop: as in `GeneratorTraining`, for both.
    """

    minutes: float = 10.0
    pixels: int = 0
    silent_share: float = 0.45
    shut: float = 0.8
    said: float = 0.85
    taught: float = 3.0
    other: float = 0.0
    draw: WindowSampling = WindowSampling(windows=15, frames=1, views=_VIEWS, voices=_VOICES, across=1.0)
    weights: LossWeights = LossWeights(mouth=4.0, perceptual=1.5, sync=0.0, triplet=0.0, adversarial=0.0)
    loop: LoopOptions = field(
        default_factory=lambda: LoopOptions(
            rate=1e-3,
            decay=0.0,
            betas=(0.5, 0.999),
            warmup=20,
            average=0.99,
            precision="bf16",
            workers=-1,
            save_every=10_000,
        )
    )

    def __post_init__(self) -> None:
        if not self.minutes >= 0.1:
            raise UsageError(f"--minutes must be 0.1 or more, not {self.minutes:g}")
        if not 0.05 <= self.silent_share <= 0.95:
            raise UsageError(f"silent_share must be 0.05 to 0.95, not {self.silent_share:g}")
        if self.other > 0 and self.draw.frames != FRAMES:
            raise UsageError(f"with the sync regularizer (other) draw.frames must be {FRAMES}, not {self.draw.frames}")
        for name in ("shut", "said"):
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
    progress: Callable[[str], None] | None = None,
) -> TalkingFaceModel:
    """Fine-tune a model on a video's talker and write it. Ends when its minutes are over.

    Args:
        video: someone talking, heard and seen, two seconds at least. base: the model to begin with, with both generators. out: the
            file to write (`weights.talker`). speech: sound files of other speech, best that which is to be dubbed.

    Raises:
        InputError: no such video, no face or sound in it, too little of it. WeightsError: no such model. UsageError.
    """
    options, say = options or AdaptationOptions(), progress or (lambda text: None)
    began = time.monotonic()
    torch.set_num_threads(max(threads, 1))
    model = talking_face_file.load(base)
    if model.silent is None or model.talking is None:
        raise UsageError(
            f"{printable(base)} holds no talking-face generator", hint="lipdub train stabilized makes one."
        )
    pixels = options.pixels or largest_face_pixels(model.silent)
    most = max(options.taught * options.minutes, _LEAST_TAUGHT)
    with tempfile.TemporaryDirectory(prefix="lipdub-adapt-") as folder:
        shown_video = _cut_beginning(video, most, Path(folder), say)
        data = _dataset(shown_video, Path(folder) / "faces", pixels, say)
        seconds = sum(clip.frames for clip in data.clips) / shards.FPS
        own = TalkingClips(data)
        others = [own.sound(i) for i in range(len(own))] if options.other > 0 else []
        heard = [_heard(path, most, say) for path in speech] or [_own(shown_video, say)]
        dubs = _dubs(data, shown_video, heard, Path(folder))
        shares = _shares(data.clips, dubs, options)
        data = data.having((*data.clips, *dubs))
        left = options.minutes - (time.monotonic() - began) / 60
        spans = {"silent": options.silent_share * left, "talking": (1 - options.silent_share) * left}
        made: dict[str, FaceGenerator] = {}
        for name in ("silent", "talking"):
            training = _training(name, options, spans[name])
            begin = made.get("silent") or resize_generator(model.silent, pixels)
            hearing = replace(model, silent=made.get("silent"))
            made[name] = train_generator(
                "silent-lip" if name == "silent" else "stabilized",
                data,
                None,
                hearing,
                Path(folder) / name,
                training,
                seed=seed,
                device=device,
                begin=begin,
                others=others,
                shares=shares[name],
                progress=say,
            )
    notes = {
        "seed": seed,
        "adaptation": asdict(options),
        "seconds": seconds,
        "video": video.name,
        "speech": [path.name for path in speech],
        "digests": [digest_file(path) for path in speech],
    }
    model = TalkingFaceModel(
        model.sync, made["silent"], made["talking"], {**model.notes, "adapted": notes, "remark": _remark(notes)}
    )
    talking_face_file.save(out, model)
    say(f"adapted in {(time.monotonic() - began) / 60:.1f} minutes on {seconds:.1f} s of {video.name}")
    return model


def render_card(model: TalkingFaceModel, command: str) -> str:
    """What there is to know of an adapted model, as Markdown."""
    notes = model.notes["adapted"]
    return "\n".join(
        [
            f"# Adapted to {notes['video']}",
            "",
            to_sentence(str(model.notes["remark"])),
            "",
            f"- made by: `{command}`, seed {notes['seed']}",
            f"- data: {notes['seconds']:.1f} s of that video, and of the same with other speech put into its mouth by the built-in recipe: "
            f"{', '.join(notes['speech']) or 'its own from half of it on'}",
            "- licence: that of the video; it shows a person, whose consent is needed",
            "- limits: it knows this talker in this light, and no other",
            "",
            "```json",
            json.dumps(notes["adaptation"], indent=1),
            "```",
            "",
        ]
    )


def _remark(notes: dict[str, Any]) -> str:
    return (
        f"fine-tuned on {notes['seconds']:.1f} s of {notes['video']} in {notes['adaptation']['minutes']:g} minutes: for this talker "
        "alone"
    )


def _training(name: str, options: AdaptationOptions, minutes: float) -> GeneratorOptions:
    loop = replace(options.loop, steps=_STEPS, minutes=max(minutes, 1e-3))
    weights = replace(options.weights, other=options.other if name == "talking" else 0.0)
    whole = GeneratorOptions(draw=options.draw, weights=weights, loop=loop)
    return whole if name == "talking" else replace(whole, silent=False, sync_loss="none", triplet_loss="none")


def _shares(own: Sequence[Clip], dubs: Sequence[Clip], options: AdaptationOptions) -> dict[str, dict[str, float]]:
    """How often each generator learns from each video; those with other speech by their length."""
    said: dict[str, float] = {}
    for clip in dubs:
        if clip.video != _QUIET:
            said[clip.video] = said.get(clip.video, 0) + clip.frames

    def shares(on_quiet: float, on_said: float, on_own: float) -> dict[str, float]:
        given = {video: on_said * frames / sum(said.values()) for video, frames in said.items()}
        return {_QUIET: on_quiet, own[0].video: on_own, **given}

    rest = (1 - options.said) / 3
    return {
        "silent": shares(options.shut, (1 - options.shut) / 2, (1 - options.shut) / 2),
        "talking": shares(rest, options.said, 2 * rest),
    }


def _cut_beginning(video: Path, seconds: float, folder: Path, say: Callable[[str], None]) -> Path:
    """The first seconds of a video, or the video itself where it is not much longer. Raises InputError."""
    import ffmpeg

    from lipdub.media.ffmpeg import find_ffmpeg, run_ffmpeg
    from lipdub.media.frame_index import read_frame_times
    from lipdub.media.probe import probe

    facts, times = probe(video), read_frame_times(video)
    if facts.video is None or not facts.audio or times[-1] - times[0] <= 1.2 * seconds:
        return video
    out, source = folder / "beginning.mkv", ffmpeg.input(f"file:{video.absolute()}", t=seconds)
    coded = {"c:v": "libx264", "crf": 8, "preset": "ultrafast", "c:a": "pcm_s16le"}
    run_ffmpeg(
        ffmpeg.output(source[str(facts.video.index)], source[str(facts.audio[0].index)], str(out), **coded),
        find_ffmpeg(),
    )
    say(f"only the first {seconds:.0f} s of {video.name} are learnt in these minutes")
    return out


def _heard(speech: Path, seconds: float, say: Callable[[str], None]) -> np.ndarray:
    """The first seconds of a speech, float32 (samples,) at 16 kHz."""
    from lipdub.media.audio import load_audio

    whole = load_audio(speech, SAMPLE_RATE_HZ)
    heard = whole[: round(seconds * SAMPLE_RATE_HZ)]
    say(
        f"{speech.name}: {len(heard) / SAMPLE_RATE_HZ:.1f} s of it put into the talker's mouth by the built-in recipe, to learn from"
    )
    if len(heard) < len(whole):
        say(
            f"the mouth will follow the other {(len(whole) - len(heard)) / SAMPLE_RATE_HZ:.0f} s of it less: --minutes gives time for more"
        )
    return heard


def _own(video: Path, say: Callable[[str], None]) -> np.ndarray:
    """A video's own speech from the middle on, then its beginning, which other frames say: float32 (samples,) at 16 kHz."""
    from lipdub.media.audio import load_audio

    heard = load_audio(video, SAMPLE_RATE_HZ)
    say(
        "no speech was given, so the mouth will follow others but little; the video's own, from its middle on, is learnt from"
    )
    return np.roll(heard, len(heard) // 2)


def _dubs(data: Dataset, video: Path, speeches: Sequence[np.ndarray], folder: Path) -> list[Clip]:
    """The clips of a video once more, saying nothing, and these speeches, float32 (samples,) at 16 kHz: as the built-in recipe dubs
    it.
    """
    span = round(max(clip.start + clip.frames / shards.FPS for clip in data.clips) * SAMPLE_RATE_HZ)
    sounds = {_QUIET: np.zeros(span, np.float32)}
    for i, heard in enumerate(speeches):
        # In parts no longer than the video: where it would begin anew, moments would no longer be the same. Frames of the first
        # part say what they will say.
        for k in range(0, len(heard), span):
            if k == 0 or len(heard) - k >= SAMPLE_RATE_HZ:
                sounds[f"said-{i}-{k // span}"] = heard[k : k + span]
    return [
        clip
        for name, sound in sounds.items()
        for clip in write_dubbed_clips(data, _dubbed(video, sound, folder / name), sound, name)
    ]


def _dubbed(video: Path, sound: np.ndarray, folder: Path) -> Path:
    """A video in which the built-in recipe makes the talker say a sound, float32 (samples,) at 16 kHz."""
    from scipy.io import wavfile

    from lipdub.engine import pipeline

    folder.mkdir()
    speech, out = folder / "speech.wav", folder / f"{folder.name}.mkv"
    wavfile.write(speech, SAMPLE_RATE_HZ, sound)
    workspace = folder.parent / "workspace"  # one for all, so that the faces are looked for once
    pipeline.dub(video, speech, out, workspace=workspace, recipe="builtin", length="speech", crf=12, preset="ultrafast")
    return out


def _dataset(video: Path, folder: Path, pixels: int, say: Callable[[str], None]) -> Dataset:
    """The faces and sound of a video of one talker (`training.prepare`). Raises InputError where there are too few."""

    def told(event: Event) -> None:
        if event.kind == "warn":
            say(event.message)

    clips = {"size": pixels, "min_sync": 0.0, "min_face": 0.0, "shortest": 0.4}
    prepare([video], folder, clips=clips, split={"held_out": 0.0}, speaker="talker", strict=True, progress=told)
    data = open_dataset(folder)
    seconds = sum(clip.frames for clip in data.clips) / shards.FPS
    if seconds < _LEAST_SECONDS:
        raise InputError(
            f"{printable(video)} shows {seconds:.1f} s of one face only", hint=f"{_LEAST_SECONDS:g} s are needed."
        )
    return data


def largest_face_pixels(generator: FaceGenerator) -> int:
    """Of the two sizes of face that the generator's blocks can be for (`resized`), the larger: 128 for one of 96."""
    sides = generator.size.sides()
    return 4 * generator.size.pixels // sides[-1]


def resize_generator(generator: FaceGenerator, pixels: int) -> FaceGenerator:
    """A generator for faces of other pixels, with the same weights; the kernels that take in the whole smallest map are resampled to
    its new size. UsageError where it would have more or fewer blocks.
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
            f"a model of {generator.size.pixels} pixels cannot be taken to {pixels}",
            hint=f"Take {3 * most // 4} or {most}.",
        )
    made, state = FaceGenerator(size), dict(generator.state_dict())
    for name, value in made.state_dict().items():
        kernel = state[name]
        if kernel.shape != value.shape:
            resampled = interpolate(kernel, value.shape[2:], mode="bilinear", align_corners=False)
            gathers = name.endswith("last.0.weight")  # it sums over the map; the other one spreads over it
            state[name] = resampled * ((old[-1] / new[-1]) ** 2 if gathers else 1.0)
    made.load_state_dict(state)
    return made
