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
from lipdub.stages import compute, dubbing, sync_emotion, sync_faces, talkers

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.stages.base import StageContext
    from lipdub.stages.sync import SyncOptions

SIZE = 384  # pixels of the network's faces
WEIGHTS = ("enet", "lnet")  # entries of the manifest
# As with Wav2Lip, but the script adds 20 pixels below the detector's box.
BELOW = 0.1
# On a processor one at a time is as fast as several, in less memory.
TRAITS = compute.Traits(item_bytes=1280 << 20, batch=1, accelerated=40)


def run(ctx: StageContext, options: SyncOptions) -> dict[str, Any]:
    """Plans the whole result from the tracks, then generates the chunks that are missing."""
    before = ctx.summaries["neutralize"].get("method")
    if before not in ("dnet", talkers.METHOD):
        raise UsageError(
            "sync's method lnet needs the references of neutralize's method dnet",
            hint="Take the recipe retalking, or run lipdub neutralize --method dnet (or silent-lip) first.",
        )
    kept = _kept(options.emotion)

    def prepare(plan: sync_faces.Plan, mel: np.ndarray) -> sync_faces.Generate:
        network = compute.ready(ctx, options, _network(ctx, kept), TRAITS, plan.dubbed)

        def made(frames: list[int], faces: list[np.ndarray]) -> np.ndarray:
            references: np.ndarray | list[np.ndarray]
            if before == "dnet":
                references = _references(ctx, plan, frames)
            else:
                references = talkers.shut_faces(ctx, plan, frames, faces)
            return generate(network, faces, references, mel, plan.time[frames] - options.offset)

        return made

    def edit(plan: sync_faces.Plan) -> sync_faces.Edit:
        network = dubbing.load(ctx, kept[sync_emotion.WEIGHTS])
        network = compute.ready(ctx, options, network, sync_emotion.TRAITS, plan.dubbed)
        return lambda faces: sync_emotion.edited(network, faces, str(options.emotion))

    method = sync_faces.Method(
        "lnet",
        BELOW,
        compute.at_once(ctx, TRAITS),
        prepare,
        notes=tuple(k.remark for k in kept.values()),
        able=lambda track: _drawn(ctx, track) if before == "dnet" else _shut(ctx, track),
        edit=edit if options.emotion is not None else None,
    )
    return sync_faces.run(ctx, options, method)


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
    return np.isfinite(talkers.drawn(ctx, track)[:, 0]).astype(np.float64)


def _references(ctx: StageContext, plan: sync_faces.Plan, frames: list[int]) -> np.ndarray:
    """The references of these output frames, cut with the boxes of their faces: uint8 (n, SIZE, SIZE, 3) RGB."""
    from lipdub.faces import headcrop

    neutral, detect = ctx.upstream["neutralize"], ctx.summaries["detect"]["tracks"]
    first = {row["id"]: row["first"] for row in detect}
    out = []
    for k in frames:
        track = int(plan.track[k])
        i = int(plan.source[k]) - first[track]
        crop = neutral.open(f"reference-{track}").read(i, i + 1)[0]
        box = neutral.open(f"box-{track}").read(i, i + 1)[0]
        out.append(headcrop.part(crop, box, plan.box[k], SIZE))
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

    from lipdub.speech.mel import starts_at, windows

    masked = torch.from_numpy(sync_faces.small(faces, SIZE))
    masked[:, :, SIZE // 2 :] = 0
    still = torch.from_numpy(sync_faces.small(list(references), SIZE))
    sound = torch.from_numpy(windows(mel, starts_at(times)))[:, None]
    made = compute.run(network, _spoken, sound, torch.cat([masked, still], 1))
    return made.permute(0, 2, 3, 1).numpy()[..., ::-1]


def _spoken(network: Any, sound: Any, faces: Any) -> Any:
    return network(sound, faces, 0.0).image


def weights_paths(emotion: str | None) -> list[Path]:
    """The verified checkpoints. Raises WeightsError when one is missing."""
    return [kept.path for kept in _kept(emotion).values()]


def _kept(emotion: str | None) -> dict[str, Any]:
    from lipdub.weights import manifest
    from lipdub.weights.store import Store

    names = WEIGHTS if emotion is None else (*WEIGHTS, sync_emotion.WEIGHTS)
    return {name: Store().verify(manifest.entry(name)) for name in names}


def _network(ctx: StageContext, kept: dict[str, Any]) -> Any:
    """E-Net with the L-Net of LNet.pth inside, on the run's device."""
    import torch

    from lipdub.weights import manifest
    from lipdub.weights.checkpoint import build, load_checkpoint, load_into

    torch.set_num_threads(ctx.threads)
    outer, inner = manifest.entry("enet"), manifest.entry("lnet")
    state = load_checkpoint(kept["enet"].path, outer)
    state |= {f"low_res.{key}": value for key, value in load_checkpoint(kept["lnet"].path, inner).items()}
    return load_into(build(outer.part()), state, f"{outer.file} with {inner.file}").eval().to(ctx.device)
