"""sync, method `stabilized`: the talking-face generator of paper 003, with the references of neutralize's `silent-lip`.

Yaman et al., "Audio-driven Talking Face Generation with Stabilized Synchronization Loss" (section 3.1). Each frame is drawn of its
own upper half, the same frame with its mouth shut as identity reference, and the fifth of a second of speech about it. Only the
lower face inside the jaw's outline is changed, at the face's own size; what the generator leaves as it was keeps the source's
detail.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import UsageError
from lipdub.faces import compositing
from lipdub.stages import inference, talking_face
from lipdub.stages.sync import generator
from lipdub.stages.sync.plan import FacePlan

if TYPE_CHECKING:
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.stages.base import StageContext
    from lipdub.stages.sync.options import SyncOptions

LEAD = 0.08  # seconds before a frame that its sound begins: two of the five frames AVSyncNet hears together


def run(ctx: StageContext, options: SyncOptions) -> dict[str, Any]:
    """Plans the whole result from the tracks, then generates the chunks that are missing."""
    if ctx.summaries["neutralize"].get("method") != talking_face.METHOD:
        raise UsageError(
            "sync's method stabilized needs the references of neutralize's method silent-lip",
            hint="Take the recipe stabilized, or run lipdub neutralize --method silent-lip first.",
        )
    size = talking_face.generator_size(options, "talking")

    def prepare(plan: FacePlan, mel: np.ndarray) -> generator.Generate:
        from lipdub.networks.talking_face import TalkingFace

        model = talking_face.load_model(ctx, options)
        assert model.talking is not None
        talking = TalkingFace(model.talking, model.sync).eval()
        network = inference.prepare_network(ctx, options, talking, talking_face.PROFILE, plan.dubbed)

        def made(frames: list[int], faces: list[np.ndarray]) -> list[np.ndarray]:
            shut, places = talking_face.read_references(ctx, plan, frames)
            if shut.shape[1] != size:
                raise UsageError(
                    f"neutralize drew references of {shut.shape[1]} pixels, and the model draws faces of {size}",
                    hint="Give both stages the same --talker.",
                )
            crops = np.stack(
                [compositing.crop_at(face, place, size) for face, place in zip(faces, places, strict=True)]
            )
            new = generate(network, crops, shut, mel, plan.time[frames] - options.offset)
            each = zip(faces, crops, new, places, strict=True)
            return [compositing.composite_crop(face, crop, drawn, place) for face, crop, drawn, place in each]

        return made

    def boxes(view: TrackLandmarks) -> np.ndarray:
        return crop_boxes(talking_face.read_placements(ctx, view.id), ctx.video.width, ctx.video.height)

    batch = inference.preferred_batch(ctx, talking_face.PROFILE)
    soft = (
        f"the mouths are drawn at {size} pixels a face, so those of larger faces are soft unless they are restored (--enhance "
        "vqfr or gfpgan, with published weights)"
    )
    notes = (talking_face.trust_note(options), soft, *describe_unseen_speech(Path(str(options.talker)), ctx.job.speech))
    return generator.run_generator(
        ctx, options, generator.Method("stabilized", 0.0, batch, prepare, notes, boxes=boxes)
    )


def describe_unseen_speech(model: Path, speech: Path | None) -> list[str]:
    """What is to be said of a model that was adapted without this speech."""
    from lipdub.weights import talking_face_file
    from lipdub.workspace.keys import digest_file

    adapted = (talking_face_file.read_description(model).get("notes") or {}).get("adapted")
    if adapted is None or speech is None or digest_file(speech) in adapted.get("digests", ()):
        return []
    return [
        f"{model.name} was adapted without this speech, so the mouths follow it but little: lipdub adapt --speech changes that"
    ]


def crop_boxes(places: np.ndarray, width: int, height: int) -> np.ndarray:
    """Boxes int32 (n, 4) of even corners, inside a picture of this size, around crops at placements (n, 4); empty where these are
    NaN or outside.
    """
    from lipdub.faces.alignment import full_face

    out = np.zeros((len(places), 4), np.int32)
    known = np.isfinite(places[:, 0])
    here = places[known]
    reach = full_face.measure_reach(here)[:, None]
    low = np.clip(np.floor(here[:, :2] - reach), 0, [width, height]).astype(np.int32)
    high = np.clip(np.ceil(here[:, :2] + reach), 0, [width, height]).astype(np.int32)
    low -= low % 2
    found = np.concatenate([low, high], 1)
    found[(high <= low).any(1)] = 0
    out[known] = found
    return out


def generate(network: Any, faces: np.ndarray, references: np.ndarray, mel: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Faces that say the speech: float32 (n, P, P, 3) RGB, 0..1.

    Args:
        network: `networks.talking_face.TalkingFace`, ready or not. faces, references: uint8 (n, P, P, 3) RGB, as they are and with
            shut mouths. mel: of `metrics.avsync.spectrogram`. times: (n,) seconds of the speech.
    """
    import torch

    from lipdub.speech.mel import cut_windows, find_window_starts

    shown = [torch.from_numpy(part).permute(0, 3, 1, 2).float() / 255 for part in (faces, references)]
    sound = torch.from_numpy(cut_windows(mel, find_window_starts(np.asarray(times) - LEAD)))[:, None]
    made = inference.run_network(network, inference.call_directly, sound, *shown)
    return made.permute(0, 2, 3, 1).numpy().clip(0, 1)
