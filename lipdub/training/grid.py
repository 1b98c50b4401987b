"""The GRID corpus (CC BY 4.0) as training data: phones of its sentences, lips of its speaker, and held-out clips.

GRID: Cooke, Barker, Cunningham, Shao, "An audio-visual corpus for speech perception and automatic speech
recognition", JASA 120(5), 2006. The folder holds `clips/NAME.mp4` (25 fps) and `words.json` (word alignments).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.faces import mesh
from lipdub.speech.phone_features import FRAME_RATE
from lipdub.speech.phones import PHONE_INDEX, PHONES, phones_from_arpabet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from lipdub.arrays import F32, F64, Array

FRAMES = 75
FPS = 25.0
_HELD_OUT_EVERY = 15
_MOUTH_DISTANCES = ((13, 14), (78, 308), (152, 1))  # vertices: inner lips, inner corners, chin and nose
_OUTSIDE_PENALTY = 20.0  # on the log probability of a phone outside its word

# fmt: off
_LEXICON = {
    "bin": "b ih n", "lay": "l ey", "place": "p l ey s", "set": "s eh t", "blue": "b l uw",
    "green": "g r iy n", "red": "r eh d", "white": "w ay t", "at": "ae t", "by": "b ay", "in": "ih n",
    "with": "w ih dh", "a": "ey", "b": "b iy", "c": "s iy", "d": "d iy", "e": "iy", "f": "eh f", "g": "jh iy",
    "h": "ey ch", "i": "ay", "j": "jh ey", "k": "k ey", "l": "eh l", "m": "eh m", "n": "eh n", "o": "ow",
    "p": "p iy", "q": "k y uw", "r": "aa", "s": "eh s", "t": "t iy", "u": "y uw", "v": "v iy", "x": "eh k s",
    "y": "w ay", "z": "z eh d", "zero": "z ih r ow", "one": "w ah n", "two": "t uw", "three": "th r iy",
    "four": "f ao", "five": "f ay v", "six": "s ih k s", "seven": "s eh v ax n", "eight": "ey t",
    "nine": "n ay n", "again": "ax g eh n", "now": "n aw", "please": "p l iy z", "soon": "s uw n",
    "sil": "sil", "sp": "sil",
}
# fmt: on


@dataclass(frozen=True)
class Sentence:
    """One clip.

    Attributes:
        name: name of the clip.
        audio: (n,) float32 at 16 kHz.
        words: start and end in seconds and word.
        landmarks: (75, 478, 3) float32 pixels.
    """

    name: str
    audio: F32
    words: tuple[tuple[float, float, str], ...]
    landmarks: F32


def held_out_clips(names: Iterable[str]) -> list[str]:
    """List the clips that no training uses: each 15th of the sorted names from the eighth on (60 of 900)."""
    return sorted(names)[7::_HELD_OUT_EVERY]


def load_word_times(grid: Path) -> dict[str, list[tuple[float, float, str]]]:
    """Load the word times of each clip: start and end in seconds, and word."""
    with (grid / "words.json").open(encoding="utf-8") as file:
        return {name: [(float(a), float(b), str(w)) for a, b, w in rows] for name, rows in json.load(file).items()}


def load_sentences(
    grid: Path,
    cache: Path,
    names: Sequence[str] | None = None,
    *,
    progress: Callable[[str], None] | None = None,
) -> list[Sentence]:
    """Load clips with their sound and landmarks.

    Args:
        grid: folder of the corpus.
        cache: folder that keeps sound and landmarks (MediaPipe) for the next call.
        names: names of the clips, by default all.
        progress: called with one line of text now and then.
    """
    words = load_word_times(grid)
    names = sorted(words) if names is None else names
    landmarks = _load_landmarks(grid, names, cache / "grid_landmarks.npz", progress)
    sounds = _load_sounds(grid, names, cache / "grid_audio.npz", progress)
    return [Sentence(name, sounds[i], tuple(words[name]), landmarks[i]) for i, name in enumerate(names)]


def _load_landmarks(grid: Path, names: Sequence[str], path: Path, progress: Callable[[str], None] | None) -> F32:
    cached = _load_cached(path, "landmarks", names)
    if cached is not None:
        return cached
    out = np.full((len(names), FRAMES, mesh.VERTICES, 3), np.nan, np.float32)
    for i, name in enumerate(names):
        track = track_landmarks(grid / "clips" / f"{name}.mp4", FRAMES)
        out[i, : len(track)] = track
        if progress and (i + 1) % 20 == 0:
            progress(f"lips measured: {i + 1} of {len(names)} clips")
    save_arrays(path, names=np.array(names), landmarks=out)
    return out


def _load_sounds(grid: Path, names: Sequence[str], path: Path, progress: Callable[[str], None] | None) -> F32:
    cached = _load_cached(path, "audio", names)
    if cached is not None:
        return cached
    from lipdub.media.audio import load_audio

    out = np.zeros((len(names), int(FRAMES / FPS * SAMPLE_RATE_HZ)), np.float32)
    for i, name in enumerate(names):
        audio = load_audio(grid / "clips" / f"{name}.mp4", SAMPLE_RATE_HZ)[: out.shape[1]]
        out[i, : len(audio)] = audio
    save_arrays(path, names=np.array(names), audio=out)
    return out


def _load_cached(path: Path, array_name: str, names: Sequence[str]) -> Array | None:
    """Load the rows of clips from a file of `save_arrays`; None if some are missing."""
    if not path.exists():
        return None
    with np.load(path) as arrays:
        known = {str(n): i for i, n in enumerate(arrays["names"])}
        return arrays[array_name][[known[n] for n in names]] if all(n in known for n in names) else None


def save_arrays(path: Path, **arrays: Array) -> None:
    """Write arrays as a NumPy archive, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp.npz")
    np.savez(partial, **arrays)
    partial.replace(path)


def track_landmarks(path: Path, limit: int | None = None) -> F32:
    """Track the landmarks of one face by MediaPipe's face mesh.

    Args:
        path: the video.
        limit: frames to read, by default all.

    Returns:
        (frames, 478, 3) float32: x and y in pixels, z in units of x; NaN without a face.
    """
    import cv2
    import mediapipe

    tracker = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=False, max_num_faces=1, refine_landmarks=True)
    capture = cv2.VideoCapture(str(path))
    rows: list[Any] = []
    try:
        while limit is None or len(rows) < limit:
            has_frame, image = capture.read()
            if not has_frame:
                break
            height, width = image.shape[:2]
            faces = tracker.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).multi_face_landmarks
            rows.append(
                [(p.x * width, p.y * height, p.z * width) for p in faces[0].landmark]
                if faces
                else np.full((mesh.VERTICES, 3), np.nan)
            )
    finally:
        capture.release()
        tracker.close()
    return np.array(rows, np.float32).reshape(-1, mesh.VERTICES, 3)


def measure_mouth(landmarks: Array) -> F64:
    """Measure the gap between the lips, the width between the inner corners, and the distance from chin to nose.

    Args:
        landmarks: (frames, 478, 2 or 3).

    Returns:
        (frames, 3) float64 in distances between the eyes; frames without a face are interpolated.
    """
    points = landmarks[..., :2].astype(np.float64)
    eyes = np.linalg.norm((points[:, 33] + points[:, 133]) / 2 - (points[:, 263] + points[:, 362]) / 2, axis=1)
    rows: F64 = np.stack([np.linalg.norm(points[:, a] - points[:, b], axis=1) / eyes for a, b in _MOUTH_DISTANCES], 1)
    index = np.arange(len(rows))
    for column in rows.T:
        known = np.isfinite(column)
        column[:] = np.interp(index, index[known], column[known]) if known.any() else 0.0
    return rows


def find_pronunciation(word: str) -> list[str]:
    """Give the phones of a word of the corpus. Raises KeyError for an unknown word."""
    return [phone for name in _LEXICON[word].split() for phone in phones_from_arpabet(name)]


def align_phones(
    words: Sequence[tuple[float, float, str]], posteriors: F32, *, slack: float = 0.06
) -> list[tuple[float, float, str]]:
    """Find the phone times of known words by forced alignment (Viterbi). Each phone lasts at least 20 ms.

    Args:
        words: start and end in seconds, and word.
        posteriors: (frames, len(PHONES)) at 100 Hz.
        slack: seconds by which a phone may lie outside its word.

    Returns:
        start and end in seconds, and phone.
    """
    frames = len(posteriors)
    states = [(PHONE_INDEX[p], a - slack, b + slack) for a, b, w in words for p in find_pronunciation(w)]
    times = np.arange(frames) / FRAME_RATE
    score = np.log(np.maximum(posteriors, 1e-4))
    emit = np.stack([score[:, k] - _OUTSIDE_PENALTY * ((times < a) | (times >= b)) for k, a, b in states], 1)
    emit = np.repeat(emit, 2, axis=1)  # two states a phone: at least two frames
    count = emit.shape[1]
    best = np.full(count, -np.inf)
    best[0] = emit[0, 0]
    advanced = np.zeros((frames, count), bool)
    for t in range(1, frames):
        moved = np.concatenate([[-np.inf], best[:-1]])
        loops = np.where(np.arange(count) % 2 == 1, best, -np.inf)  # only a phone's second state may last
        advanced[t] = moved > loops
        best = np.where(advanced[t], moved, loops) + emit[t]
    path = np.empty(frames, np.int64)
    path[-1] = count - 1
    for t in range(frames - 1, 0, -1):
        path[t - 1] = path[t] - int(advanced[t, path[t]])
    phone = path // 2
    edges = np.flatnonzero(np.diff(phone)) + 1
    starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [frames]])
    return [(a / FRAME_RATE, b / FRAME_RATE, PHONES[states[phone[a]][0]]) for a, b in zip(starts, ends, strict=True)]
