"""The steps of the method `stylegan` on one talker, and what each keeps in the workspace.

Three stores lie beside the stages, so that a change of later options does not redo earlier steps:

- ``stylegan-inversion-TRACK``: the source's faces ``crops`` (n, P, P, 3) uint8, their latents ``pivots`` (n, L, D)
  float32, and ``tuning``, the generator that draws them;
- ``stylegan-editing-TRACK``: ``latents`` (m, L, D) float32 of the output frames, NaN where nothing is dubbed;
- ``stylegan-stitching-TRACK``: ``tuning``, the generator that meets the frames around the mask.

Each depends on the one before. All of it resumes exactly.
"""

from __future__ import annotations

import logging
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces.alignment import full_face
from lipdub.stages.frame_pass import FramePass, run_frame_passes
from lipdub.weights import stylegan_file
from lipdub.workspace.json_values import to_canonical_json
from lipdub.workspace.keys import digest_bytes, digest_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch
    from torch import nn

    from lipdub.arrays import F32, F64, I64, U8
    from lipdub.faces.editing.landmark_loss import HeatMapper
    from lipdub.faces.editing.optimisation import EditOptions
    from lipdub.faces.editing.pivotal_tuning import PivotalTuningOptions
    from lipdub.faces.editing.stitching import StitchingOptions
    from lipdub.networks.stylegan2 import StyleGAN2
    from lipdub.stages.base import StageContext
    from lipdub.weights.stylegan_file import StyleGANModel
    from lipdub.workspace import ChunkedArray

LOG = logging.getLogger(__name__)

CHUNK = 8  # frames: a killed run loses the optimisation of so many at most
_CROP_CHUNK = 32  # frames
_BATCH = 8  # faces that are drawn or inverted at once


@dataclass(frozen=True)
class Tools:
    """The networks, on the run's device, and what they depend on.

    Attributes:
        model: Generator and encoder.
        features: Perceptual network.
        mapper: Finds heat maps of landmarks.
        device: PyTorch's name of it.
        digest: Of all their weights.
    """

    model: StyleGANModel
    features: nn.Module
    mapper: HeatMapper
    device: str
    digest: str

    @property
    def pixels(self) -> int:
        """Side of the faces."""
        return self.model.size.pixels

    @property
    def codes(self) -> tuple[int, int]:
        """Layers and length of a latent."""
        return self.model.generator.layers, self.model.size.style_dim


@dataclass(frozen=True)
class Talker:
    """What is to be edited of one talker.

    Attributes:
        track: The track's id.
        frames: (n,) int64, the source frames that are dubbed, ascending and each once.
        places: (n, 4), where their crops lie.
    """

    track: int
    frames: I64
    places: F64


@dataclass(frozen=True)
class Inversion:
    """The source's faces and their latents, and a generator that draws them.

    Attributes:
        crops: (n, P, P, 3) uint8 RGB.
        pivots: (n, L, D) float32.
        generator: Tuned on them.
        key: What it depends on.
    """

    crops: ChunkedArray
    pivots: ChunkedArray
    generator: StyleGAN2
    key: str

    def read_faces(self, numbers: I64) -> torch.Tensor:
        """Read faces by number: (m, 3, P, P), RGB in -1..1."""
        return _to_tensor(read_rows(self.crops, numbers)).to(self.generator.input.input.device)

    def read_pivots(self, numbers: I64) -> torch.Tensor:
        """Read latents by number: (m, L, D)."""
        import torch

        return torch.from_numpy(read_rows(self.pivots, numbers)).to(self.generator.input.input.device)


@dataclass(frozen=True)
class EditPlan:
    """The output frames of one talker.

    Attributes:
        frames: (m,) int64, output frames that are dubbed, ascending.
        faces: (m,) int64, the number of the source's face that each shows.
        points: (m, 68, 2) float32, the landmarks that are wanted, shares of the crop.
        shots: Runs of successive frames, as slices of these arrays.
    """

    frames: I64
    faces: I64
    points: F32
    shots: tuple[slice, ...]


def weight_files(model: str) -> list[Path]:
    """Return all files of weights: the model's, and those of the networks that judge it.

    Raises:
        WeightsError: One is missing.
    """
    from lipdub.faces.editing.landmark_loss import find_heat_map_weights
    from lipdub.faces.perceptual import find_feature_weights

    return [Path(model), find_feature_weights(), find_heat_map_weights()]


def open_tools(ctx: StageContext, model: str) -> Tools:
    """Load the networks. Raises WeightsError."""
    import torch

    from lipdub.faces.editing.landmark_loss import load_heat_mapper
    from lipdub.faces.perceptual import load_features

    torch.set_num_threads(ctx.threads)
    loaded = stylegan_file.load(Path(model))
    loaded.generator.to(ctx.device).requires_grad_(False)
    loaded.encoder.to(ctx.device).requires_grad_(False)
    features, name = load_features()
    mapper = load_heat_mapper(ctx.device)
    LOG.debug("perceptual features: %s; landmarks: %s", name, mapper.name)
    digest = _make_key({"weights": [digest_file(path) for path in weight_files(model)], "device": ctx.device})
    return Tools(loaded, features.to(ctx.device), mapper, ctx.device, digest)


def invert(
    ctx: StageContext, tools: Tools, talker: Talker, options: PivotalTuningOptions, report: Callable[[float], None]
) -> Inversion:
    """Cut a talker's faces, find their latents, and tune the generator on them (Eq. 4); what is kept is not redone.

    Args:
        ctx: The stage's context.
        tools: The networks.
        talker: Its frames.
        options: Of the tuning.
        report: Called with the share that is done.
    """
    import torch

    from lipdub.faces.editing.pivotal_tuning import tune_on_pivots

    key = _make_key(
        {
            "tools": tools.digest,
            "video": digest_file(ctx.job.video),
            "frames": _digest_array(talker.frames),
            "places": _digest_array(talker.places),
            "tuning": asdict(options),
        }
    )
    store = ctx.keep(f"stylegan-inversion-{talker.track}", key)
    shape = (len(talker.frames), tools.pixels, tools.pixels, 3)
    crops = store.array("crops", shape=shape, dtype="uint8", chunk=_CROP_CHUNK)
    pivots = store.array("pivots", shape=(len(talker.frames), *tools.codes), dtype="float32", chunk=_CROP_CHUNK)
    for array in (crops, pivots):
        array.drop_damaged()  # the engine repairs stages' stores alone
    if crops.missing():
        _cut_faces(ctx, talker, crops)
    generator = deepcopy(tools.model.generator)
    inversion = Inversion(crops, pivots, generator, key)
    for chunk in pivots.missing():
        numbers = np.arange(*pivots.span(chunk))
        with torch.no_grad():
            found = [tools.model.encoder(part) for part in inversion.read_faces(numbers).split(_BATCH)]
        pivots.write(chunk, torch.cat(found).cpu().numpy())
        ctx.check()
    if options.loop.steps:
        tune_on_pivots(
            generator,
            inversion.read_pivots(np.arange(len(pivots))),
            lambda numbers: inversion.read_faces(numbers.numpy()),
            tools.features,
            options,
            store.file("tuning"),
            key,
            lambda step: _check(ctx, report, step / options.loop.steps),
        )
    return inversion


def edit(
    ctx: StageContext,
    tools: Tools,
    inversion: Inversion,
    track: int,
    plan: EditPlan,
    options: EditOptions,
    report: Callable[[float], None],
) -> ChunkedArray:
    """Optimise the latents of the output frames towards their landmarks (Eq. 5 to 7); finished chunks are kept.

    Returns:
        (m, L, D) float32, a row for each frame of the plan.
    """
    from lipdub.faces.editing.optimisation import Edit, Editor, edit_frames

    key = edit_key(inversion, plan, options)
    store = ctx.keep(f"stylegan-editing-{track}", key)
    latents = store.array("latents", shape=(len(plan.frames), *tools.codes), dtype="float32", chunk=CHUNK)
    latents.drop_damaged()
    editor = Editor(inversion.generator, tools.features, tools.mapper, options)
    for chunk in latents.missing():
        start, stop = latents.span(chunk)
        out = np.zeros((stop - start, *tools.codes), np.float32)
        for shot in plan.shots:
            first, end = max(start, shot.start), min(stop, shot.stop)
            if first >= end:
                continue
            before = None
            if first > shot.start:
                done = latents.read(first - 1, first) if first == start else out[first - 1 - start : first - start]
                pivot = inversion.read_pivots(plan.faces[first - 1 : first])[0]
                before = Edit(pivot, _to_device(done, pivot)[0])
            seen = slice(first, min(end + options.ahead, shot.stop))
            faces = plan.faces[seen]
            pivots = inversion.read_pivots(faces)
            points = _to_device(plan.points[seen], pivots)
            edited = edit_frames(editor, pivots, inversion.read_faces(faces), points, before, count=end - first)
            out[first - start : end - start] = edited.cpu().numpy()
        latents.write(chunk, out)
        _check(ctx, report, stop / len(latents))
    return latents


def edit_key(inversion: Inversion, plan: EditPlan, options: EditOptions) -> str:
    """Say what edited latents depend on."""
    return _make_key(
        {
            "inversion": inversion.key,
            "frames": _digest_array(plan.frames),
            "faces": _digest_array(plan.faces),
            "points": _digest_array(plan.points),
            "options": asdict(options),
        }
    )


def stitch(
    ctx: StageContext,
    inversion: Inversion,
    track: int,
    plan: EditPlan,
    latents: ChunkedArray,
    read_masks: Callable[[I64], U8],
    options: StitchingOptions,
    describes: Mapping[str, Any],
    report: Callable[[float], None],
) -> StyleGAN2:
    """Tune the generator to meet the frames around the mask (Eq. 8), and return it.

    Args:
        ctx: The stage's context.
        inversion: The faces and the generator, which stays as it is.
        track: The track's id.
        plan: The output frames.
        latents: (m, L, D), edited.
        read_masks: Takes rows of the plan, draws masks (k, P, P) uint8, 1 where the face is drawn.
        options: Of the tuning.
        describes: Plain values that say what latents and masks depend on.
        report: Called with the share that is done.
    """
    import torch

    from lipdub.faces.editing.stitching import tune_on_rings

    generator = deepcopy(inversion.generator)
    if not options.loop.steps:
        return generator
    key = _make_key({**describes, "stitching": asdict(options)})
    store = ctx.keep(f"stylegan-stitching-{track}", key)
    codes = torch.from_numpy(latents.read(0, len(latents))).to(generator.input.input.device)

    def read_frames(numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows = numbers.numpy()
        masks = torch.from_numpy(read_masks(rows)[:, None].astype(np.float32))
        return inversion.read_faces(plan.faces[rows]), masks.to(codes.device)

    tune_on_rings(
        generator,
        codes,
        read_frames,
        options,
        store.file("tuning"),
        key,
        lambda step: _check(ctx, report, step / options.loop.steps),
    )
    return generator


def draw_faces(generator: StyleGAN2, latents: F32) -> F32:
    """Draw faces of latents (n, L, D): (n, P, P, 3) float32 RGB 0..1."""
    import torch

    device = generator.input.input.device
    with torch.no_grad():
        parts = [generator(part.to(device)).cpu() for part in torch.from_numpy(latents).split(_BATCH)]
    made: F32 = ((torch.cat(parts).permute(0, 2, 3, 1) + 1) / 2).clamp(0, 1).numpy()
    return made


def read_rows(array: ChunkedArray, numbers: I64) -> Any:
    """Read rows of an array by number, in the order of `numbers`; each chunk once."""
    chunks = numbers // array.chunk
    out = np.empty((len(numbers), *array.shape[1:]), array.dtype)
    for chunk in np.unique(chunks).tolist():
        start, stop = array.span(chunk)
        here = np.flatnonzero(chunks == chunk)
        out[here] = array.read(start, stop)[numbers[here] - start]
    return out


def _cut_faces(ctx: StageContext, talker: Talker, crops: ChunkedArray) -> None:
    """Cut the missing chunks of a talker's faces out of the source."""
    pixels = crops.shape[1]

    def cut(picture: Any, item: int) -> U8:
        return full_face.align(talker.places[item], pixels).crop_picture(picture)

    def keep(batch: Any) -> None:
        for row, crop in zip(batch.rows, batch.inputs, strict=True):
            batch.out[0][row] = crop

    frames = FramePass((crops,), talker.frames, np.ones(len(crops), bool), keep, load=cut, batch=_BATCH)
    run_frame_passes(ctx, frames, report=lambda batch: ctx.check())


def _check(ctx: StageContext, report: Callable[[float], None], share: float) -> None:
    ctx.check()
    report(share)


def _to_device(values: F32, like: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(values)).to(like)


def _to_tensor(faces: U8) -> torch.Tensor:
    import torch

    return torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 127.5 - 1


def _digest_array(values: Any) -> str:
    return digest_bytes(np.ascontiguousarray(values).tobytes())


def _make_key(values: Mapping[str, Any]) -> str:
    return digest_bytes(to_canonical_json(dict(values)))
