"""sync, method `stabilized`: a talking-face generator, with the references of neutralize's `silent-lip`.

Yaman et al., "Audio-Driven Talking Face Generation with Stabilized Synchronization Loss" (ECCV 2024), section 3.1.
Each frame is drawn from its own upper half, the same frame with its mouth closed as identity reference, and the speech
around it: a fifth of a second, or more where the model hears phones. Only the lower face inside the jaw's outline
changes, at the face's own size. Pixels that the generator does not change keep the source's detail.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import UsageError
from lipdub.faces.alignment import full_face
from lipdub.faces.compositing import composite_crop, crop_at
from lipdub.stages import inference, talking_face
from lipdub.stages.model_options import ModelOptions, resolve_model
from lipdub.stages.sync.generator import Generate, GeneratorMethod, GeneratorRun, describe_softness
from lipdub.weights import verify_shipped
from lipdub.weights.talking_face_file import FAMILY
from lipdub.weights.user_models import find as find_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.arrays import F32, I8, I32, Array
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.stages.base import StageContext
    from lipdub.stages.job import Job


class Stabilized(GeneratorMethod):
    """The talking-face generator of Yaman et al."""

    name = "stabilized"
    summary = "talking-face generation with stabilized synchronization (Yaman et al., 2024)"
    options = ModelOptions
    works_after = MappingProxyType({"neutralize": (talking_face.METHOD,)})
    sees_upright = False  # its own crops are level with the eyes
    traits = talking_face.TRAITS

    def weight_files(self, options: Any) -> list[Path]:
        """Return the model's file, and those of the audio feature that it hears."""
        if options.own.model is None:
            return []
        model = Path(options.own.model)
        feature = talking_face.find_sound_windows(model).feature
        return [model, *(verify_shipped(name) for name in feature.weights)]

    def hear(self, audio: F32, options: Any) -> Array:
        """Compute the audio feature that the model hears."""
        return talking_face.find_sound_windows(Path(options.own.model)).compute(audio)

    def is_ready(self, job: Job, digest: Callable[[], str]) -> bool:
        """Return whether a model was adapted to this video. The shipped one draws anybody, but softer."""
        return find_model(FAMILY, None, digest()).origin == "video"

    def resolve(self, options: Any, job: Job, digest: Callable[[], str]) -> Any:
        """Replace the model's name by its file."""
        return resolve_model(FAMILY, options, digest)

    def notes(self, ctx: StageContext, options: Any) -> list[str]:
        """Return what a person should know of the model."""
        size = talking_face.generator_size(options.own.model, "talking")
        model = Path(options.own.model)
        notes = [FAMILY.describe(model), describe_softness(size)]
        if not _read_adaptation(model):
            notes.append("teeth are one plain band; lipdub adapt teaches the model this person's")
        return notes + describe_unseen_speech(model, ctx.job.speech)

    def prepare(self, run: GeneratorRun) -> Generate:
        """Load the generator with its audio encoder."""
        from lipdub.networks.talking_face import TalkingFace

        ctx, plan = run.ctx, run.plan
        size = talking_face.generator_size(run.options.own.model, "talking")
        model = talking_face.load_model(ctx, run.options.own.model)
        assert model.talking is not None
        talking = TalkingFace(model.talking, model.sync).eval()
        network = inference.prepare_network(ctx, run.options, talking, self.traits, plan.dubbed)
        windows = talking_face.find_sound_windows(Path(run.options.own.model))

        def draw(frames: list[int], faces: list[Array]) -> list[Array]:
            closed, places = talking_face.read_references(ctx, plan, frames)
            if closed.shape[1] != size:
                raise UsageError(
                    f"neutralize drew references of {closed.shape[1]} pixels, but the model draws faces of {size}",
                    hint="Give both stages the same --model.",
                )
            crops = np.stack([crop_at(face, place, size) for face, place in zip(faces, places, strict=True)])
            sounds = windows.cut_around(run.features, run.speech_times(frames) + model.lead)
            drawn = generate(network, crops, closed, sounds)
            each = zip(faces, crops, drawn, places, strict=True)
            return [composite_crop(face, crop, new, place) for face, crop, new, place in each]

        return draw

    def face_boxes(self, ctx: StageContext, track: TrackLandmarks, turns: I8) -> I32:
        """Return boxes around the crops that neutralize placed."""
        places = talking_face.read_placements(ctx, track.id)
        return full_face.bound_crops(places, ctx.video.width, ctx.video.height)


METHOD = Stabilized()


def _read_adaptation(model: Path) -> dict[str, Any]:
    """Return what a model's file notes of its adaptation to a person; empty if there was none."""
    from lipdub.weights import talking_face_file

    notes: dict[str, Any] = talking_face_file.read_description(model).get("notes") or {}
    return notes.get("adapted") or {}


def describe_unseen_speech(model: Path, speech: Path | None) -> list[str]:
    """Return a note where the model hears voices and was adapted without this speech."""
    from lipdub.weights import talking_face_file
    from lipdub.workspace.keys import digest_file

    adapted = _read_adaptation(model)
    hears_voices = talking_face_file.read_audio(model)[0] == "mel"
    if not adapted or not hears_voices or speech is None or digest_file(speech) in adapted.get("digests", ()):
        return []
    return [f"{model.name} was adapted without this speech, so the mouths follow it poorly; use lipdub adapt --speech"]


def generate(network: Any, faces: Array, references: Array, sounds: Array) -> Array:
    """Draw faces that say the speech.

    Args:
        network: `networks.talking_face.TalkingFace`, prepared or not.
        faces: (n, P, P, 3) uint8 RGB.
        references: (n, P, P, 3) uint8 RGB, with closed mouths.
        sounds: (n, rows, columns) float32, the windows of sound around the frames.

    Returns:
        (n, P, P, 3) float32 RGB 0..1.
    """
    import torch

    shown = [torch.from_numpy(part).permute(0, 3, 1, 2).float() / 255 for part in (faces, references)]
    made = inference.run_network(network, inference.call_directly, torch.from_numpy(sounds), *shown)
    result: Array = made.permute(0, 2, 3, 1).numpy().clip(0, 1)
    return result
