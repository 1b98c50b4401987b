"""LSE-D, LSE-C and the offset between sound and picture, of the frames of a video and its sound.

The pipeline around SyncNet that published figures were made with (Chung, Zisserman 2016; joonson/syncnet_python): 25
frames a second, a square crop around the face of smoothed place and size, 224 pixels, clips of five frames against 20
columns of MFCC, offsets to 15 frames either way. It differs from that in two ways: boxes are those of MediaPipe's mesh
where no others are given, not of the S3FD detector, and crops are not compressed on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.faces import mesh
from lipdub.metrics import lse
from lipdub.speech import mfcc

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lipdub.weights.store import WeightsStore

WEIGHTS = "syncnet-v2"
SIZE = 224  # pixels of a crop
SCALE = 0.4  # by which the crop is larger than the face's box
BORDER = 110  # grey beyond the frame
SMOOTHING = 13  # boxes of which the median is taken
BRIDGED = 25  # boxes that may be missing between two, at 25 fps
BLOCK = 60  # clips worked out together: bounds memory
BATCH = 12  # of them at once in the network
TOO_SHORT = "the video or its sound is too short for SyncNet, or no face is to be seen long enough"


def load_syncnet(store: WeightsStore, device: str = "cpu") -> Any:
    """SyncNet v2, an nn.Module for evaluation. Raises WeightsError when it is not in the store, or is not what it
    should be.
    """
    from lipdub.weights import manifest
    from lipdub.weights.checkpoint import load_network

    kept = store.verify(manifest.find_entry(WEIGHTS))
    return load_network(kept.path, kept.entry).to(device)


def measure_face_boxes(landmarks: np.ndarray) -> np.ndarray:
    """Boxes of faces (n, 4), x0, y0, x1, y1, from meshes (n, 478, 2 or 3): the face's oval, from hairline to chin."""
    oval = np.asarray(landmarks, np.float64)[:, list(mesh.OVAL), :2]
    return np.concatenate([oval.min(1), oval.max(1)], 1)


def nearest_frames(times: np.ndarray) -> np.ndarray:
    """Numbers (m,) of the frames nearest to every 25th of a second, of frames at rising times (n,), seconds.

    The video begins at its first frame and lasts until the end of its last one, as long as the one before.
    """
    times = np.asarray(times, np.float64)
    if not len(times):
        return np.zeros(0, np.intp)
    times = times - times[0]
    last = times[-1] - times[-2] if len(times) > 1 else 1 / mfcc.SYNCNET_FPS
    wanted = np.arange(max(1, int(round((times[-1] + last) * mfcc.SYNCNET_FPS)))) / mfcc.SYNCNET_FPS
    return np.searchsorted((times[1:] + times[:-1]) / 2, wanted + 1e-9)


def smooth_squares(boxes: np.ndarray) -> np.ndarray:
    """Where crops lie, float64 (n, 3): middle x, y and half the side of the face's box, smoothed over time; NaN where no
    face is known. boxes: (n, 4) at 25 fps, NaN where none was found; gaps up to `BRIDGED` are bridged.
    """
    boxes = np.asarray(boxes, np.float64)
    found = np.flatnonzero(np.isfinite(boxes).all(1))
    out = np.full((len(boxes), 3), np.nan)
    if not len(found):
        return out
    for part in np.split(found, np.flatnonzero(np.diff(found) > BRIDGED + 1) + 1):
        at = np.arange(part[0], part[-1] + 1)
        x0, y0, x1, y1 = (np.interp(at, part, boxes[part, k]) for k in range(4))
        half = np.maximum(x1 - x0, y1 - y0) / 2
        padded = np.pad(np.stack([(x0 + x1) / 2, (y0 + y1) / 2, half]), ((0, 0), (SMOOTHING // 2,) * 2), mode="edge")
        views = np.lib.stride_tricks.sliding_window_view(padded, SMOOTHING, axis=1)
        out[at] = np.median(views, axis=2).T
    return out


def crop_face(rgb: np.ndarray, square: np.ndarray) -> np.ndarray:
    """The crop around a face, RGB uint8 (224, 224, 3), of a frame uint8 (h, w, 3). square: (3,) of `squares`.

    The crop's sides are 1 + SCALE boxes long; it lies lower than the box by SCALE / 2, to have the chin in it.
    """
    x, y, half = (float(v) for v in square)
    left, right = int(round(x - half * (1 + SCALE))), int(round(x + half * (1 + SCALE)))
    top, bottom = int(round(y - half)), int(round(y + half * (1 + 2 * SCALE)))
    height, width = rgb.shape[:2]
    inside = rgb[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    margins = (max(0, -top), max(0, bottom - height), max(0, -left), max(0, right - width))
    if not inside.size:
        return np.full((SIZE, SIZE, 3), BORDER, np.uint8)
    if any(margins):
        inside = cv2.copyMakeBorder(inside, *margins, cv2.BORDER_CONSTANT, value=(BORDER,) * 3)
    return cv2.resize(inside, (SIZE, SIZE))


def video_distances(
    frames: Iterable[np.ndarray],
    times: np.ndarray,
    boxes: np.ndarray,
    sound: np.ndarray,
    network: Any,
    start: float = 0.0,
) -> np.ndarray:
    """Distances of the lips in every clip from the sound at every offset, float32 (31, clips): `lipdub.metrics.lse` makes
    scores of them, of all or of a window. Column v is of the clip that begins at v / 25 s; NaN where no face is seen.

    Args:
        frames: the video's, RGB uint8 (h, w, 3), one after the other; read once.
        times: of the frames (n,), rising, seconds. boxes: of the faces in them (n, 4), NaN where there is none.
        sound: mono at 16 kHz (samples,): float in -1..1, or integers of 16 bits.
        network: SyncNet (:func:`load`).
        start: seconds after the first frame at which the sound begins; negative: that much of it is not heard.
    Raises ValueError when times and boxes do not match.
    """
    times, boxes = np.asarray(times, np.float64), np.asarray(boxes, np.float64)
    if len(times) != len(boxes):
        raise ValueError(f"{len(times)} times and {len(boxes)} boxes do not match")
    order = nearest_frames(times)
    places = smooth_squares(boxes[order])
    samples = _heard(sound, start, len(order))
    cepstrum = mfcc.compute_mfcc(samples)
    room = max(0, (cepstrum.shape[1] - mfcc.COLUMNS) // mfcc.PER_FRAME + 1)
    count = min(mfcc.count_clips(len(order), len(samples)), room)
    out = np.full((2 * lse.REACH + 1, max(0, count)), np.nan, np.float32)
    if count <= 0:
        return out
    heard = mfcc.cut_windows(cepstrum, count)
    held: list[np.ndarray] = []
    first = 0  # clip that the oldest held crop begins
    crops = _crops(frames, order, places)
    while first < count:
        stop = min(first + BLOCK, count)
        while len(held) < stop - first + mfcc.CLIP - 1:
            held.append(next(crops, np.full((SIZE, SIZE, 3), BORDER, np.uint8)))
        whole = [v for v in range(first, stop) if np.isfinite(places[v : v + mfcc.CLIP]).all()]
        if whole:
            found = _block(network, held, heard, first, stop)
            out[:, whole] = found[:, [v - first for v in whole]]
        held, first = held[stop - first :], stop
    return out


def lse_of(
    frames: Iterable[np.ndarray],
    times: np.ndarray,
    boxes: np.ndarray,
    sound: np.ndarray,
    network: Any,
    start: float = 0.0,
) -> lse.Scores:
    """LSE-D, LSE-C and offset of a whole video; see :func:`distances_of`. Raises ValueError when it is too short or no
    face is seen in it.
    """
    return score_clips(video_distances(frames, times, boxes, sound, network, start))


def score_clips(distances: np.ndarray) -> lse.Scores:
    """The scores of `distances` (31, clips) of a video, or of the columns of a window of it. Raises ValueError when none
    of the clips shows a face.
    """
    kept = distances[:, np.isfinite(distances).all(0)]
    if not kept.shape[1]:
        raise ValueError(TOO_SHORT)
    return lse.score_distances(kept)


def _heard(sound: np.ndarray, start: float, frames: int) -> np.ndarray:
    """The sound as 16 bit integers from the first frame on, to the end of the video."""
    samples = np.asarray(sound)
    if samples.dtype.kind == "f":
        samples = np.clip(np.round(samples.astype(np.float64) * 32768), -32768, 32767).astype(np.int16)
    shift = round(start * SAMPLE_RATE_HZ)
    samples = np.concatenate([np.zeros(shift, samples.dtype), samples]) if shift > 0 else samples[-shift:]
    return samples[: frames * (SAMPLE_RATE_HZ // mfcc.SYNCNET_FPS)]


def _crops(frames: Iterable[np.ndarray], order: np.ndarray, places: np.ndarray) -> Iterator[np.ndarray]:
    """Crops at 25 fps; where no face is known, grey."""
    k = 0
    for number, frame in enumerate(frames):
        while k < len(order) and order[k] == number:
            known = np.isfinite(places[k]).all()
            yield crop_face(frame, places[k]) if known else np.full((SIZE, SIZE, 3), BORDER, np.uint8)
            k += 1
        if k == len(order):
            return


def _block(network: Any, held: list[np.ndarray], heard: np.ndarray, first: int, stop: int) -> np.ndarray:
    """Distances (31, stop - first) of the clips first..stop, whose crops are held from the first on."""
    reach, count = lse.REACH, len(heard)
    low, high = max(0, first - reach), min(count, stop + reach)
    sound = _features(network.sound, (heard[v][None] for v in range(low, high)), network)
    sound = np.pad(sound, ((low - (first - reach), stop + reach - high), (0, 0)))
    clips = (
        np.stack([held[v + i] for i in range(mfcc.CLIP)])[..., ::-1].transpose(3, 0, 1, 2) for v in range(stop - first)
    )
    lips = np.pad(_features(network.lips, clips, network), ((reach, reach), (0, 0)))
    return lse.feature_distances(lips, sound)[:, reach:-reach]


def _features(stream: Any, inputs: Iterator[np.ndarray], network: Any) -> np.ndarray:
    """What one of the network's streams makes of its inputs, batch by batch: float32 (n, features)."""
    import itertools

    import torch

    device = next(network.parameters()).device
    out = []
    with torch.inference_mode():
        while batch := list(itertools.islice(inputs, BATCH)):
            values = torch.from_numpy(np.ascontiguousarray(np.stack(batch), np.float32)).to(device)
            out.append(stream(values).cpu().numpy())
    return np.concatenate(out)
