"""sync, method `lnet`: VideoReTalking's L-Net with E-Net, conditioned on the references of neutralize's `dnet`.

Cheng et al., "VideoReTalking: Audio-based Lip Synchronization for Talking Head Video Editing In the Wild" (SIGGRAPH Asia
2022), sections 3.2 and 3.3. As published, the face is cut out of the frame and of the reference with the same box, and
the frame's lower half is hidden. Unlike there, E-Net's noise is zero, so that the result is the same every time; the upper
half of the face stays the source's, but for an emotion (`sync_emotion`), which takes effect there; and the rest is laid
back at the face's own size inside the jaw's outline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import UsageError
from lipdub.faces import tensors
from lipdub.stages import inference, talking_face
from lipdub.stages.sync import emotion as sync_emotion
from lipdub.stages.sync import generator
from lipdub.stages.sync.plan import FacePlan

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.stages.base import StageContext
    from lipdub.stages.sync.options import SyncOptions

SIZE = 384  # pixels of the network's faces
WEIGHTS = ("enet", "lnet")  # entries of the manifest
# As with Wav2Lip, but the script adds 20 pixels below the detector's box.
BELOW = 0.1
# On a processor one at a time is as fast as several, in less memory.
PROFILE = inference.NetworkProfile(item_bytes=1280 << 20, batch=1, accelerated=40)


def run(ctx: StageContext, options: SyncOptions) -> dict[str, Any]:
    """Plans the whole result from the tracks, then generates the chunks that are missing."""
    before = ctx.summaries["neutralize"].get("method")
    if before not in ("dnet", talking_face.METHOD):
        raise UsageError(
            "sync's method lnet needs the references of neutralize's method dnet",
            hint="Take the recipe retalking, or run lipdub neutralize --method dnet (or silent-lip) first.",
        )
    kept = _kept(options.emotion)

    def prepare(plan: FacePlan, mel: np.ndarray) -> generator.Generate:
        network = inference.prepare_network(ctx, options, _network(ctx, kept), PROFILE, plan.dubbed)

        def made(frames: list[int], faces: list[np.ndarray]) -> np.ndarray:
            references: np.ndarray | list[np.ndarray]
            if before == "dnet":
                references = _references(ctx, plan, frames)
            else:
                references = talking_face.closed_mouth_references(ctx, plan, frames, faces)
            return generate(network, faces, references, mel, plan.time[frames] - options.offset)

        return made

    def edit(plan: FacePlan) -> generator.Edit:
        network = inference.load_on_device(ctx, kept[sync_emotion.WEIGHTS])
        network = inference.prepare_network(ctx, options, network, sync_emotion.PROFILE, plan.dubbed)
        return lambda faces: sync_emotion.edit_emotion(network, faces, str(options.emotion))

    method = generator.Method(
        "lnet",
        BELOW,
        inference.preferred_batch(ctx, PROFILE),
        prepare,
        notes=tuple(k.trust_note for k in kept.values()),
        able=lambda track: _drawn(ctx, track) if before == "dnet" else _shut(ctx, track),
        edit=edit if options.emotion is not None else None,
    )
    return generator.run_generator(ctx, options, method)


def _drawn(ctx: StageContext, track: int) -> np.ndarray:
    """1 where a frame of the track has a reference, (frames,)."""
    if not ctx.upstream["neutralize"].has(f"box-{track}"):
        raise UsageError(
            f"neutralize drew no references of face {track}", hint="Run lipdub neutralize with the same --face first."
        )
    boxes = ctx.upstream["neutralize"].open(f"box-{track}")
    found = boxes.read(0, len(boxes))
    return (found[:, 2] > found[:, 0]).astype(np.float64)


def _shut(ctx: StageContext, track: int) -> np.ndarray:
    """1 where neutralize shut the mouth of a frame of the track, (frames,)."""
    return np.isfinite(talking_face.read_placements(ctx, track)[:, 0]).astype(np.float64)


def _references(ctx: StageContext, plan: FacePlan, frames: list[int]) -> np.ndarray:
    """The references of these output frames, cut with the boxes of their faces: uint8 (n, SIZE, SIZE, 3) RGB."""
    from lipdub.faces.alignment import head

    neutral, detect = ctx.upstream["neutralize"], ctx.summaries["detect"]["tracks"]
    first = {row["id"]: row["first"] for row in detect}
    out = []
    for k in frames:
        track = int(plan.track[k])
        i = int(plan.source[k]) - first[track]
        crop = neutral.open(f"reference-{track}").read(i, i + 1)[0]
        box = neutral.open(f"box-{track}").read(i, i + 1)[0]
        out.append(head.align(box).crop_box(crop, plan.box[k], SIZE))
    return np.stack(out)


def generate(
    network: Any, faces: list[np.ndarray], references: np.ndarray | list[np.ndarray], mel: np.ndarray, times: np.ndarray
) -> np.ndarray:
    """Faces that say the speech: float32 (n, 384, 384, 3) RGB, about 0..1.

    Args:
        network: `networks.enet.ENet`, ready or not. faces: n pictures (h, w, 3) RGB, uint8 or uint16. references: n
            pictures, uint8 or uint16 RGB, the same faces with a still expression. mel: of `speech.mel`. times: (n,) seconds of the
            speech.
    """
    import torch

    from lipdub.speech.mel import cut_windows, find_window_starts

    masked = torch.from_numpy(tensors.to_network_input(faces, SIZE))
    masked[:, :, SIZE // 2 :] = 0
    still = torch.from_numpy(tensors.to_network_input(list(references), SIZE))
    sound = torch.from_numpy(cut_windows(mel, find_window_starts(times)))[:, None]
    made = inference.run_network(network, _spoken, sound, torch.cat([masked, still], 1))
    return made.permute(0, 2, 3, 1).numpy()[..., ::-1]


def _spoken(network: Any, sound: Any, faces: Any) -> Any:
    return network(sound, faces, 0.0).image


def weights_paths(emotion: str | None) -> list[Path]:
    """The verified checkpoints. Raises WeightsError when one is missing."""
    return [kept.path for kept in _kept(emotion).values()]


def _kept(emotion: str | None) -> dict[str, Any]:
    from lipdub.weights import manifest
    from lipdub.weights.store import WeightsStore

    names = WEIGHTS if emotion is None else (*WEIGHTS, sync_emotion.WEIGHTS)
    return {name: WeightsStore().verify(manifest.find_entry(name)) for name in names}


def _network(ctx: StageContext, kept: dict[str, Any]) -> Any:
    """E-Net with the L-Net of LNet.pth inside, on the run's device."""
    import torch

    from lipdub.weights import manifest
    from lipdub.weights.checkpoint import build_network, load_checkpoint, load_into

    torch.set_num_threads(ctx.threads)
    outer, inner = manifest.find_entry("enet"), manifest.find_entry("lnet")
    state = load_checkpoint(kept["enet"].path, outer)
    state |= {f"low_res.{key}": value for key, value in load_checkpoint(kept["lnet"].path, inner).items()}
    return load_into(build_network(outer.part()), state, f"{outer.file} with {inner.file}").eval().to(ctx.device)
