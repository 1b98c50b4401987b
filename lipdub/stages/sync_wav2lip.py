"""sync, method `wav2lip`: Wav2Lip's generator at 96 pixels, its mouths laid back at the face's own size.

Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild" (ACM Multimedia 2020). What
the published script does with one detector's boxes, a forward mean of five of them and constant frame rates is done here
with the followed mesh and each frame's own time; only the lower face is changed, inside the jaw's outline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.stages import dubbing
from lipdub.stages.base import StageContext

if TYPE_CHECKING:
    from lipdub.faces.view import TrackView
    from lipdub.stages.sync import SyncOptions

SIZE = 96  # pixels of the network's faces
WEIGHTS = ("wav2lip-gan", "wav2lip")  # entries of the manifest, the preferred one first
# The detector whose boxes the network was trained with takes the face from mid-forehead to just under the chin, and
# the script adds 10 pixels below: shares of the mesh's own box.
BELOW = 0.06
BATCH = 16
BLOCK = 96  # source frames whose landmarks are read at once


@dataclass(frozen=True)
class Plan:
    """What every output frame shows; arrays over output frames. box: (n, 4) int32 where the face lies, display pixels,
    empty where nothing is dubbed."""

    source: np.ndarray
    pts: np.ndarray
    time: np.ndarray
    track: np.ndarray
    amount: np.ndarray
    box: np.ndarray


def run(ctx: StageContext, options: SyncOptions) -> dict[str, Any]:
    """Plans the whole result from the tracks, then generates the chunks that are missing."""
    from lipdub.faces import smooth
    from lipdub.faces.view import TrackView
    from lipdub.media.probe import frame_times

    times = frame_times(ctx.job.video)
    owner = ctx.upstream["detect"].open("tracks").read(0, len(times))
    landmarks, interval = ctx.upstream["detect"].open("landmarks"), smooth.interval(times)
    chosen = dubbing.chosen(ctx, options)
    rows = {r["id"]: r for r in ctx.summaries["detect"]["tracks"] if r["id"] in chosen}
    views = {i: TrackView(landmarks, owner, i, r["first"], r["last"], interval) for i, r in rows.items()}
    samples, mel = ctx.ahead()
    plan = _plan(ctx, options, samples, rows, views, interval)
    sizes = (plan.box[:, 2:] - plan.box[:, :2]).max(0, initial=16)
    arrays = dubbing.crop_store(ctx, len(plan.source), int(sizes[0]), int(sizes[1]))
    nothing = np.full((len(plan.source), 2), np.nan, np.float32)
    dubbing.write_tables(
        ctx, source=plan.source, pts=plan.pts, time=plan.time, track=plan.track, amount=plan.amount, wanted=nothing
    )
    spans = list(dubbing.runs({i for a in arrays for i in a.missing()}))
    note = ""
    if spans:
        network, note = _network(ctx)
        for first, last in spans:
            _render(ctx, options, plan, views, mel, network, arrays, first, last)
    dubbed = plan.amount > 0
    return {
        "method": "wav2lip",
        "frames": len(plan.source),
        "dubbed": int(dubbed.sum()),
        "tracks": sorted(views),
        "untouched": dubbing.untouched(plan.time, plan.amount),
        "notes": [note] if note else [],
        "offset": options.offset,
        "speech_seconds": samples / dubbing.SPEECH_RATE,
    }


def _plan(
    ctx: StageContext,
    options: SyncOptions,
    samples: int,
    rows: Mapping[int, Mapping[str, Any]],
    views: Mapping[int, TrackView],
    interval: float,
) -> Plan:
    source, pts, moments = dubbing.timeline(ctx, options, samples)
    n = len(source)
    track, amount, box = np.zeros(n, np.int16), np.zeros(n, np.float32), np.zeros((n, 4), np.int32)
    asked = dubbing.asked(moments, options)
    for name, view in views.items():
        motion = ctx.upstream["neutralize"].open(f"motion-{name}")
        shown = dubbing.shown(motion.read(0, len(motion)), rows[name], ctx.summaries["detect"]["shots"], interval)
        boxes = face_boxes(view, ctx.video.width, ctx.video.height)
        at = np.flatnonzero((source >= view.first) & (source <= view.last))
        here = source[at] - view.first
        much = shown[here] * asked[at] * (boxes[here, 2] > boxes[here, 0])
        at, here, much = at[much > 0], here[much > 0], much[much > 0]
        track[at], amount[at], box[at] = name, much, boxes[here]
    return Plan(source, pts, moments, track, amount, box)


def face_boxes(view: TrackView, width: int, height: int) -> np.ndarray:
    """Where the face lies in each source frame of a track, int32 (frames, 4) of even corners inside a picture of this
    size; empty where it is not seen."""
    from lipdub.faces import mesh

    out = np.zeros((view.last - view.first + 1, 4), np.int32)
    for start in range(view.first, view.last + 1, BLOCK):
        oval = view.read(start, min(start + BLOCK, view.last + 1))[:, list(mesh.OVAL), :2]
        low, high = oval.min(1), oval.max(1)
        high[:, 1] += BELOW * (high[:, 1] - low[:, 1])
        seen = np.isfinite(low[:, 0])
        low = np.clip(np.nan_to_num(low), 0, [width, height]).astype(np.int32)
        high = np.clip(np.ceil(np.nan_to_num(high)), 0, [width, height]).astype(np.int32)
        low -= low % 2
        out[start - view.first :][: len(low)] = np.where(seen[:, None], np.concatenate([low, high], 1), 0)
    return out


def _network(ctx: StageContext) -> tuple[Any, str]:
    """The generator on the run's device, and what a person should know of its weights."""
    import torch

    from lipdub.weights import manifest
    from lipdub.weights.checkpoint import load_network

    entry, kept = _weights()
    torch.set_num_threads(ctx.threads)
    network = load_network(kept.path, manifest.entry(entry)).to(ctx.device, memory_format=torch.channels_last)
    return network, kept.remark


def _render(
    ctx: StageContext,
    options: SyncOptions,
    plan: Plan,
    views: Mapping[int, TrackView],
    mel: np.ndarray,
    network: Any,
    arrays: tuple[Any, Any],
    first: int,
    last: int,
) -> None:
    """Chunks first..last in one pass over their source frames."""
    from lipdub.media.read import read_order

    crops, boxes = arrays
    n, height, width, _ = crops.shape
    start, stop = crops.span(first)[0], crops.span(last)[1]
    frames = read_order(ctx.job.video, [int(plan.source[k]) for k in range(start, stop) if plan.amount[k] > 0])
    for chunk in range(first, last + 1):
        a, b = crops.span(chunk)
        pixels, places = np.zeros((b - a, height, width, 4), crops.dtype), np.zeros((b - a, 4), np.int32)
        todo = [k for k in range(a, b) if plan.amount[k] > 0]
        for i in range(0, len(todo), BATCH):
            batch = todo[i : i + BATCH]
            shown = [next(frames).picture.rgb(tuple(plan.box[k])) for k in batch]
            made = generate(network, shown, mel, plan.time[batch] - options.offset)
            meshes = _meshes(views, plan, batch)
            for k, before, face, mesh in zip(batch, shown, made, meshes, strict=True):
                points = mesh - plan.box[k, :2]
                h, w = before.shape[:2]
                pixels[k - a, :h, :w] = laid(before, face, points, float(plan.amount[k]))
                places[k - a] = plan.box[k]
            ctx.progress(batch[-1] + 1, n)
        boxes.write(chunk, places)
        crops.write(chunk, pixels)
        ctx.progress(b, n)


def _meshes(views: Mapping[int, TrackView], plan: Plan, frames: list[int]) -> np.ndarray:
    """The landmarks (n, 478, 2) of the faces dubbed in these output frames."""
    out = np.empty((len(frames), 478, 2), np.float32)
    at = np.array(frames)
    for name, view in views.items():
        mine = np.flatnonzero(plan.track[at] == name)
        if len(mine):
            sources = plan.source[at[mine]]
            low = int(sources.min())
            out[mine] = view.read(low, int(sources.max()) + 1)[sources - low, :, :2]
    return out


def generate(network: Any, faces: list[np.ndarray], mel: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Faces that say the speech: float32 (n, 96, 96, 3) RGB 0..1.

    Args:
        network: `networks.wav2lip.Wav2Lip`. faces: n pictures (h, w, 3) RGB, uint8 or uint16. mel: of `speech.mel`.
        times: (n,) seconds of the speech.
    """
    import cv2
    import torch

    from lipdub.speech.mel import starts_at, windows

    device = next(network.parameters()).device
    small = np.stack([cv2.resize(face, (SIZE, SIZE)).astype(np.float32) / np.iinfo(face.dtype).max for face in faces])
    blue_first = torch.from_numpy(np.ascontiguousarray(small[..., ::-1])).permute(0, 3, 1, 2)
    masked = blue_first.clone()
    masked[:, :, SIZE // 2 :] = 0
    sound = torch.from_numpy(windows(mel, starts_at(times)))[:, None]
    with torch.inference_mode():
        made = network(sound.to(device), torch.cat([masked, blue_first], 1).to(device, memory_format=torch.channels_last))
    return made.float().cpu().permute(0, 2, 3, 1).numpy()[..., ::-1]


def laid(before: np.ndarray, face: np.ndarray, points: np.ndarray, amount: float) -> np.ndarray:
    """A crop (h, w, 4): the generated lower face (96, 96, 3) at the size of the picture (h, w, 3) it was made of, and the
    mask of the lower face. points: (478, 2) landmarks in the crop; amount: 0..1 how far it is dubbed."""
    import cv2

    from lipdub.faces import masks

    h, w = before.shape[:2]
    top = np.iinfo(before.dtype).max
    large = np.clip(cv2.resize(np.ascontiguousarray(face), (w, h), interpolation=cv2.INTER_CUBIC), 0, 1) * top
    out = np.zeros((h, w, 4), before.dtype)
    out[..., :3] = np.round(before + amount * (large - before))
    inside = masks.lower_face(points, h, w)
    inside[: h // 2] = 0  # the network was shown the upper half: there is nothing new in it
    edge = max(2, round(0.02 * w))
    inside[:, :edge], inside[:, -edge:], inside[-edge:] = 0, 0, 0
    out[..., 3] = inside * top
    return out


def weights_path() -> Any:
    """The verified checkpoint to use. Raises WeightsError when there is none."""
    return _weights()[1].path


def _weights() -> tuple[str, Any]:
    from lipdub.weights import manifest
    from lipdub.weights.store import Store

    store = Store()
    there = [name for name in WEIGHTS if store.has(manifest.entry(name))]
    name = there[0] if there else WEIGHTS[0]
    return name, store.verify(manifest.entry(name))
