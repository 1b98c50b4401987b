"""sync, method `lnet`: L-Net with E-Net, conditioned on the references of neutralize's `dnet`.

Cheng et al., "VideoReTalking: Audio-based Lip Synchronization for Talking Head Video Editing In the Wild" (SIGGRAPH
Asia 2022), sections 3.2 and 3.3. As published, frame and reference are cropped with the same box, and the frame's
lower half is hidden. Unlike there, E-Net's noise is zero, so that results repeat. The upper half of the face stays
the source's, except for an emotion (`sync.emotion`). The rest is composited at the face's own size inside the jaw's
outline.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lipdub.faces import tensors
from lipdub.options import OptionGroup, option
from lipdub.stages import inference, talking_face
from lipdub.stages.detect.store import DetectStore
from lipdub.stages.neutralize.store import NeutralizeStore, drawn_heads, has_box, has_placement
from lipdub.stages.sync import emotion
from lipdub.stages.sync.generator import Edit, Generate, GeneratorMethod, GeneratorRun
from lipdub.weights import manifest
from lipdub.weights.requirement import AllOf
from lipdub.weights.store import WeightsStore

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.arrays import F64, Array
    from lipdub.stages.base import StageContext
    from lipdub.stages.sync.plan import FacePlan

SIZE = 384  # pixels of the network's faces
NAMES = ("enet", "lnet")  # entries of the manifest
# As with Wav2Lip, but the script adds 20 pixels below the detector's box.
BELOW_CHIN = 0.1
# On a processor one at a time is as fast as several, in less memory.
TRAITS = inference.NetworkTraits(item_bytes=1280 << 20, batch=1, accelerated=40)


@dataclass(frozen=True)
class LNetOptions(OptionGroup):
    """What the upper face shows."""

    emotion: Literal["surprise", "angry", "sad"] | None = option(
        None, "--emotion", help="Recipe retalking: emotion of the upper face.", panel="Look"
    )


class LNetMethod(GeneratorMethod):
    """L-Net inside E-Net at 384 pixels."""

    name = "lnet"
    summary = "L-Net and E-Net of VideoReTalking at 384 pixels (Cheng et al., 2022)"
    options = LNetOptions
    weights = AllOf("enet", "lnet")
    works_after = MappingProxyType({"neutralize": ("dnet", talking_face.METHOD)})
    audio_feature = "mel"
    below_chin = BELOW_CHIN
    traits = TRAITS

    def weight_files(self, options: Any) -> list[Path]:
        """Return the verified checkpoints, GANimation's among them where an emotion is asked for."""
        return [item.path for item in _verify_weights(options.own.emotion).values()]

    def notes(self, ctx: StageContext, options: Any) -> list[str]:
        """Return what a person should know of the weights."""
        return [item.trust_note for item in _verify_weights(options.own.emotion).values()]

    def prepare(self, run: GeneratorRun) -> Generate:
        """Load both networks as one."""
        ctx, plan = run.ctx, run.plan
        network = _network(ctx, _verify_weights(None))
        network = inference.prepare_network(ctx, run.options, network, TRAITS, plan.dubbed)
        is_drawn = NeutralizeStore.from_context(ctx).method == "dnet"

        def draw(frames: list[int], faces: list[Array]) -> Array:
            references: Array | list[Array]
            if is_drawn:
                references = _references(ctx, plan, frames)
            else:
                references = talking_face.closed_mouth_references(ctx, plan, frames, faces)
            still = run.turn_upright(frames, references)
            upright = run.turn_upright(frames, faces)
            return generate(network, upright, still, run.features, run.speech_times(frames))

        return draw

    def prepare_edit(self, run: GeneratorRun) -> Edit | None:
        """Load GANimation where an emotion is asked for."""
        chosen = run.options.own.emotion
        if chosen is None:
            return None
        network = inference.load_on_device(run.ctx, _verify_weights(chosen)[emotion.WEIGHTS])
        runner = inference.prepare_network(run.ctx, run.options, network, emotion.TRAITS, run.plan.dubbed)

        def edit(frames: list[int], faces: list[Array]) -> list[Array]:
            return run.turn_back(frames, emotion.edit_emotion(runner, run.turn_upright(frames, faces), chosen))

        return edit

    def track_weights(self, ctx: StageContext, track: int) -> F64:
        """Return 1 where neutralize drew a reference."""
        is_drawn = NeutralizeStore.from_context(ctx).method == "dnet"
        return _reference_weights(ctx, track) if is_drawn else _closed_mouth_weights(ctx, track)


METHOD = LNetMethod()


def _reference_weights(ctx: StageContext, track: int) -> Array:
    """Return (frames,) 1 where a frame of the track has a reference."""
    boxes = drawn_heads(ctx.upstream["neutralize"], track).read_places()
    return has_box(boxes).astype(np.float64)


def _closed_mouth_weights(ctx: StageContext, track: int) -> Array:
    """Return (frames,) 1 where neutralize closed the mouth of a frame of the track."""
    return has_placement(talking_face.read_placements(ctx, track)).astype(np.float64)


def _references(ctx: StageContext, plan: FacePlan, frames: list[int]) -> Array:
    """Read the references of output frames, cut with the boxes of their faces: (n, SIZE, SIZE, 3) uint8 RGB."""
    from lipdub.faces.alignment import head

    neutralize, detect = ctx.upstream["neutralize"], DetectStore.from_context(ctx)
    out = []
    for k in frames:
        track = int(plan.track[k])
        drawn, index = drawn_heads(neutralize, track), int(plan.source[k]) - detect.track(track)["first"]
        alignment = head.align(drawn.read_place(index))
        out.append(alignment.crop_box(drawn.read_face(index), plan.box[k], SIZE))
    return np.stack(out)


def generate(network: Any, faces: list[Array], references: Array | list[Array], mel: Array, times: Array) -> Array:
    """Draw faces that say the speech.

    Args:
        network: `networks.enet.ENet`, prepared or not.
        faces: (h, w, 3) uint8 or uint16 RGB each.
        references: The same faces with a still expression, uint8 or uint16 RGB each.
        mel: (80, columns) float32 of `speech.mel`.
        times: (n,) seconds of the speech.

    Returns:
        (n, 384, 384, 3) float32 RGB, about 0..1.
    """
    import torch

    from lipdub.speech.mel import cut_windows, find_window_starts

    masked = torch.from_numpy(tensors.to_network_input(faces, SIZE))
    masked[:, :, SIZE // 2 :] = 0
    still = torch.from_numpy(tensors.to_network_input(list(references), SIZE))
    sound = torch.from_numpy(cut_windows(mel, find_window_starts(times)))[:, None]
    made = inference.run_network(network, _spoken, sound, torch.cat([masked, still], 1))
    result: Array = made.permute(0, 2, 3, 1).numpy()[..., ::-1]
    return result


def _spoken(network: Any, sound: Any, faces: Any) -> Any:
    return network(sound, faces, 0.0).image


def _verify_weights(emotion_name: str | None) -> dict[str, Any]:
    """Return the verified files by their names in the manifest, GANimation's among them for an emotion."""
    names = NAMES if emotion_name is None else (*NAMES, emotion.WEIGHTS)
    return {name: WeightsStore().verify(manifest.find_entry(name)) for name in names}


def _network(ctx: StageContext, kept: dict[str, Any]) -> Any:
    """Load E-Net with the L-Net of LNet.pth inside, on the run's device."""
    import torch

    from lipdub.weights.checkpoint import build_network, load_checkpoint, load_into

    torch.set_num_threads(ctx.threads)
    outer, inner = manifest.find_entry("enet"), manifest.find_entry("lnet")
    state = load_checkpoint(kept["enet"].path, outer)
    state |= {f"low_res.{key}": value for key, value in load_checkpoint(kept["lnet"].path, inner).items()}
    return load_into(build_network(outer.part()), state, f"{outer.file} with {inner.file}").eval().to(ctx.device)
