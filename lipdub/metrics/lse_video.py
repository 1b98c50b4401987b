"""LSE-D, LSE-C and the offset between sound and picture, of the frames of a video and its sound.

This is the pipeline around SyncNet that made the published figures (Chung, Zisserman, "Out of time: automated lip sync
in the wild", ACCV workshops 2016; joonson/syncnet_python): 25 frames a second, a square crop around the face of
smoothed place and size, 224 pixels, clips of five frames against 20 columns of MFCC, offsets to 15 frames either way.
It differs in two ways: boxes are those of MediaPipe's mesh if no others are given, not of the S3FD detector, and crops
are not compressed on the way.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.faces import mesh
from lipdub.media.pixels import to_eight_bits
from lipdub.metrics import lse
from lipdub.metrics.metric import Measurement, Metric, MetricWeights, Need
from lipdub.progress import Event
from lipdub.speech import mfcc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lipdub.arrays import F32, F64, I16, I64, U8, Array
    from lipdub.metrics.evidence import Evidence, ScoredClip
    from lipdub.weights.store import WeightsStore

WEIGHTS = "syncnet-v2"
SIZE = 224  # pixels of a crop
SCALE = 0.4  # by which the crop is larger than the face's box
BORDER = 110  # grey beyond the frame
SMOOTHING = 13  # boxes of which the median is taken
BRIDGED = 25  # most missing boxes in a row that are interpolated, at 25 fps
BLOCK = 60  # clips that are computed together: bounds memory
BATCH = 12  # clips at once in the network
TOO_SHORT = "the video or its sound is too short for SyncNet, or no face is visible for long enough"
_PCM_PEAK = 32768  # of 16 bit samples
_NOTE = "several tools reach more than real video does: compare it with the real value"


def load_syncnet(store: WeightsStore, device: str = "cpu") -> Any:
    """Load SyncNet v2, an nn.Module for evaluation.

    Raises:
        WeightsError: it is not in the store, or has the wrong digest.
    """
    from lipdub.weights import manifest
    from lipdub.weights.checkpoint import load_network

    verified = store.verify(manifest.find_entry(WEIGHTS))
    return load_network(verified.path, verified.entry).to(device)


def measure_face_boxes(landmarks: Array) -> F64:
    """Return the boxes of faces' ovals, from hairline to chin.

    Args:
        landmarks: (n, 478, 2 or 3) meshes, pixels.

    Returns:
        (n, 4) float64, x0, y0, x1, y1.
    """
    oval = np.asarray(landmarks, np.float64)[:, list(mesh.OVAL), :2]
    return np.concatenate([oval.min(1), oval.max(1)], 1)


def nearest_frames(times: F64) -> I64:
    """Return the numbers of the frames nearest to every 25th of a second.

    The video begins at its first frame. Its last frame lasts as long as the one before.

    Args:
        times: (n,) of the frames, seconds, rising.

    Returns:
        (m,) frame numbers.
    """
    times = np.asarray(times, np.float64)
    if not len(times):
        return np.zeros(0, np.intp)
    times = times - times[0]
    last = times[-1] - times[-2] if len(times) > 1 else 1 / mfcc.SYNCNET_FPS
    instants = np.arange(max(1, round((times[-1] + last) * mfcc.SYNCNET_FPS))) / mfcc.SYNCNET_FPS
    return np.searchsorted((times[1:] + times[:-1]) / 2, instants + 1e-9)


def smooth_squares(boxes: F64) -> F64:
    """Smooth where crops lie over time.

    Args:
        boxes: (n, 4) of the faces at 25 fps, NaN if none was found. Gaps up to `BRIDGED` are bridged.

    Returns:
        (n, 3) float64: middle x, y and half the side of the face's box, pixels; NaN if no face is known.
    """
    boxes = np.asarray(boxes, np.float64)
    is_known = np.flatnonzero(np.isfinite(boxes).all(1))
    out = np.full((len(boxes), 3), np.nan)
    if not len(is_known):
        return out
    for part in np.split(is_known, np.flatnonzero(np.diff(is_known) > BRIDGED + 1) + 1):
        numbers = np.arange(part[0], part[-1] + 1)
        x0, y0, x1, y1 = (np.interp(numbers, part, boxes[part, k]) for k in range(4))
        half = np.maximum(x1 - x0, y1 - y0) / 2
        padded = np.pad(np.stack([(x0 + x1) / 2, (y0 + y1) / 2, half]), ((0, 0), (SMOOTHING // 2,) * 2), mode="edge")
        views = np.lib.stride_tricks.sliding_window_view(padded, SMOOTHING, axis=1)
        out[numbers] = np.median(views, axis=2).T
    return out


def crop_square(rgb: U8, square: F64) -> U8:
    """Cut a face out of a frame.

    The crop's sides are 1 + SCALE boxes long. It lies lower than the box by SCALE / 2, so that it has the chin in it.

    Args:
        rgb: (h, w, 3) uint8.
        square: (3,) of `smooth_squares`.

    Returns:
        (224, 224, 3) uint8.
    """
    x, y, half = (float(v) for v in square)
    left, right = round(x - half * (1 + SCALE)), round(x + half * (1 + SCALE))
    top, bottom = round(y - half), round(y + half * (1 + 2 * SCALE))
    height, width = rgb.shape[:2]
    inside = rgb[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    margins = (max(0, -top), max(0, bottom - height), max(0, -left), max(0, right - width))
    if not inside.size:
        return np.full((SIZE, SIZE, 3), BORDER, np.uint8)
    if any(margins):
        inside = cv2.copyMakeBorder(inside, *margins, cv2.BORDER_CONSTANT, value=(BORDER,) * 3)
    crop: U8 = cv2.resize(inside, (SIZE, SIZE))
    return crop


def video_distances(
    frames: Iterable[U8],
    times: F64,
    boxes: F64,
    sound: Array,
    network: Any,
    start: float = 0.0,
) -> F32:
    """Compute the distances of the lips in every clip from the sound at every offset.

    `score_clips` makes scores of them, of all columns or of those of a window.

    Args:
        frames: of the video, (h, w, 3) uint8 RGB, one after the other; read once.
        times: (n,) of the frames, seconds, rising.
        boxes: (n, 4) of the faces in them, NaN without a face.
        sound: (samples,) mono at 16 kHz, float -1..1 or 16 bit integers.
        network: of `load_syncnet`.
        start: seconds after the first frame at which the sound begins. If negative, that much of it is cut.

    Returns:
        (31, clips) float32. Column v is of the clip that begins at v / 25 s; NaN if it does not show a face throughout.

    Raises:
        ValueError: times and boxes differ in number.
    """
    times, boxes = np.asarray(times, np.float64), np.asarray(boxes, np.float64)
    if len(times) != len(boxes):
        raise ValueError(f"{len(times)} times and {len(boxes)} boxes do not match")
    order = nearest_frames(times)
    places = smooth_squares(boxes[order])
    samples = _quantize_sound(sound, start, len(order))
    cepstrum = mfcc.compute_mfcc(samples)
    room = max(0, (cepstrum.shape[1] - mfcc.COLUMNS) // mfcc.PER_FRAME + 1)
    count = min(mfcc.count_clips(len(order), len(samples)), room)
    out = np.full((2 * lse.REACH + 1, max(0, count)), np.nan, np.float32)
    if count <= 0:
        return out
    cepstra = mfcc.cut_windows(cepstrum, count)
    buffer: list[U8] = []
    first = 0  # clip that the oldest crop of the buffer begins
    crops = _crop_faces(frames, order, places)
    while first < count:
        stop = min(first + BLOCK, count)
        while len(buffer) < stop - first + mfcc.CLIP - 1:
            buffer.append(next(crops, np.full((SIZE, SIZE, 3), BORDER, np.uint8)))
        whole = [v for v in range(first, stop) if np.isfinite(places[v : v + mfcc.CLIP]).all()]
        if whole:
            block = _compute_block(network, buffer, cepstra, first, stop)
            out[:, whole] = block[:, [v - first for v in whole]]
        buffer, first = buffer[stop - first :], stop
    return out


def score_clips(distances: F32) -> lse.Scores:
    """Compute the scores of a video or of a window of it.

    Args:
        distances: (31, clips) of `video_distances`.

    Raises:
        ValueError: none of the clips shows a face.
    """
    complete = distances[:, np.isfinite(distances).all(0)]
    if not complete.shape[1]:
        raise ValueError(TOO_SHORT)
    return lse.score_distances(complete)


def _quantize_sound(sound: Array, start: float, frames: int) -> I16:
    """Return the sound as 16 bit integers from the first frame on, to the end of the video."""
    samples = np.asarray(sound)
    if samples.dtype.kind == "f":
        samples = np.clip(np.round(samples.astype(np.float64) * _PCM_PEAK), -_PCM_PEAK, _PCM_PEAK - 1).astype(np.int16)
    shift = round(start * SAMPLE_RATE_HZ)
    samples = np.concatenate([np.zeros(shift, samples.dtype), samples]) if shift > 0 else samples[-shift:]
    return samples[: frames * (SAMPLE_RATE_HZ // mfcc.SYNCNET_FPS)]


def _crop_faces(frames: Iterable[U8], order: I64, places: F64) -> Iterator[U8]:
    """Yield crops at 25 fps, grey if no face is known."""
    k = 0
    for number, frame in enumerate(frames):
        while k < len(order) and order[k] == number:
            is_known = np.isfinite(places[k]).all()
            yield crop_square(frame, places[k]) if is_known else np.full((SIZE, SIZE, 3), BORDER, np.uint8)
            k += 1
        if k == len(order):
            return


def _compute_block(network: Any, buffer: list[U8], cepstra: F64, first: int, stop: int) -> F32:
    """Compute the distances (31, stop - first) of the clips first..stop, whose first crop begins the buffer."""
    reach, count = lse.REACH, len(cepstra)
    low, high = max(0, first - reach), min(count, stop + reach)
    sound = _compute_features(network.sound, (cepstra[v][None] for v in range(low, high)), network)
    sound = np.pad(sound, ((low - (first - reach), stop + reach - high), (0, 0)))
    clips = (
        np.stack([buffer[v + i] for i in range(mfcc.CLIP)])[..., ::-1].transpose(3, 0, 1, 2)
        for v in range(stop - first)
    )
    lips = np.pad(_compute_features(network.lips, clips, network), ((reach, reach), (0, 0)))
    return lse.feature_distances(lips, sound)[:, reach:-reach]


def _compute_features(stream: Any, inputs: Iterator[Array], network: Any) -> F32:
    """Compute the features of one of the network's streams, batch by batch: (n, features) float32."""
    import itertools

    import torch

    device = next(network.parameters()).device
    out = []
    with torch.inference_mode():
        while batch := list(itertools.islice(inputs, BATCH)):
            values = torch.from_numpy(np.ascontiguousarray(np.stack(batch), np.float32)).to(device)
            out.append(stream(values).cpu().numpy())
    return np.concatenate(out)


# -- the metrics


def _compute_distances(evidence: Evidence, clip: ScoredClip) -> F32:
    from lipdub.media.read import read_frames

    assert clip.speech is not None
    evidence.progress(Event("progress", "score", done=0, total=len(clip.motion), message="SyncNet"))
    frames = (to_eight_bits(frame.picture.rgb()) for frame in read_frames(clip.path))
    motion, speech = clip.motion, clip.speech
    return video_distances(frames, motion.times, motion.boxes, speech.sound, evidence.networks[WEIGHTS], speech.start)


def _score(distances: F32) -> lse.Scores | None:
    """Return the scores of some clips, None if no face is visible for long enough."""
    try:
        return score_clips(distances)
    except ValueError:
        return None


def _score_result(evidence: Evidence) -> list[lse.Scores | None]:
    """Return the scores of the result and of its windows."""
    distances = _compute_distances(evidence, evidence.result)
    fps = mfcc.SYNCNET_FPS
    return [
        _score(distances),
        *(_score(distances[:, round(start * fps) : round(end * fps)]) for start, end in evidence.windows),
    ]


def _score_source(evidence: Evidence) -> lse.Scores | None:
    """Return the scores of the source with its own sound, None if it has none."""
    source = evidence.source
    return _score(_compute_distances(evidence, source)) if source is not None and source.speech is not None else None


def _measure(evidence: Evidence, number: Callable[[lse.Scores], float]) -> Measurement:
    def value(scores: lse.Scores | None) -> float:
        return number(scores) if scores is not None else math.nan

    whole, *windows = evidence.compute_once(_score_result)
    if whole is None:
        return Measurement(note=TOO_SHORT)
    return Measurement(
        value(whole),
        np.array([value(scores) for scores in windows], np.float64),
        value(evidence.compute_once(_score_source)),
    )


_SYNCNET = MetricWeights(WEIGHTS, load_syncnet)
DISTANCE_METRIC = Metric(
    id="lse_d",
    title="LSE-D",
    region="crop",
    unit="",
    better="lower",
    measure=lambda evidence: _measure(evidence, lambda scores: scores.distance),
    note=_NOTE,
    needs=(Need.SPEECH,),
    weights=_SYNCNET,
)
CONFIDENCE_METRIC = Metric(
    id="lse_c",
    title="LSE-C",
    region="crop",
    unit="",
    better="higher",
    measure=lambda evidence: _measure(evidence, lambda scores: scores.confidence),
    note=_NOTE,
    needs=(Need.SPEECH,),
    weights=_SYNCNET,
)
OFFSET_METRIC = Metric(
    id="lse_offset_ms",
    title="delay of the picture after its sound, by SyncNet",
    region="crop",
    unit="ms",
    better="near zero",
    measure=lambda evidence: _measure(evidence, lambda scores: scores.offset * 1000 / mfcc.SYNCNET_FPS),
    note=_NOTE,
    needs=(Need.SPEECH,),
    weights=_SYNCNET,
)
