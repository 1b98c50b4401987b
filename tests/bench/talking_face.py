"""What the models of the recipes stabilized, stylelipsync and g4g make of clips kept out of training, side by side.

    python -m tests.bench.talking_face DATASET NAME=MODEL …
        [--raw NAME]… [--dub NAME=RECIPE[:MODEL]]… [--landmarks NAME=MODEL]… [--all] [--clips N] [--sheet FILE] [--json]

DATASET is one of `lipdub prepare`, whose held-out clips are taken (--all: every clip); MODEL a file of `lipdub train`.
Each frame is made of its own upper half, its own sound, and a reference: the frame half a clip away, or of rendered
talkers the same frame with another mouth. It is shut by the model's silent-lip generator, or as it is for the models
named by --raw (those trained without one). A model of stylelipsync sees of each frame what its mask leaves, and has one
reference for the clip, the first. "reference" and "still" are no models: the reference itself, and the true upper half
over the reference's lower one. With --dub whole recipes dub a video of enlarged crops: the references of rendered
talkers; of other clips the clip itself, which the built-in recipe dubs before with its sound of half a clip away, since
true mouths would be copied otherwise. With --landmarks models of g4g draw the faces with their true landmarks, which no
dub has, from references of the clip's other half, or of the pair. Per model:

- psnr, ssim (grey), of the whole crop and of its lower half; mse: of the crop; ifc: of the lower half, grey levels;
- sharp: octaves by which the mouth's sharpness (`metrics.sharpness`) is above that of the true face, 0 as sharp; cheek:
  the same of the mouth's sharpness against the cheeks';
- lmd: mouth landmarks of the face mesh, in pixels of a crop of 96;
- opening: correlation of the mouth's opening with the true one's; sync: `metrics.motion_sync` with the clip's own
  sound (the real clip's beside it), and avsim: cosine of the model's own AVSyncNet, which it was trained with;
- range: deviation of the opening over that of the true one; jitter: its tremble (`metrics.jitter`) over that of the
  true one; from: share of the references' opening that comes through frame by frame (`training.mouth_figures`);
  speckles: `metrics.speckles` against the true face;
- leak: the mouth's opening, of the same frames and sounds, with a wide open reference less that with a shut one, as a
  share of how far these differ themselves: 0 when the reference's mouth says nothing, 1 when it is copied. Only where
  the reference is another time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np
import torch
from scipy.io import wavfile

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.engine.pipeline import dub
from lipdub.errors import WeightsError
from lipdub.faces.compositing import mix_inside
from lipdub.faces.landmark_image import draw_landmarks
from lipdub.faces.masks import MASKS
from lipdub.faces.reference_choice import choose_spread
from lipdub.media.pixels import to_eight_bits
from lipdub.media.read import read_frames
from lipdub.metrics.avsyncnet import find_sound_windows
from lipdub.metrics.ifc import frame_distance, ifc
from lipdub.metrics.jitter import jitter
from lipdub.metrics.lmd import lmd
from lipdub.metrics.motion_sync import compare_motion, estimate_sync
from lipdub.metrics.mouth_motion import measure_mouth_shape
from lipdub.metrics.psnr import psnr, sum_squared_errors
from lipdub.metrics.sharpness import sharpness
from lipdub.metrics.speckles import speckles
from lipdub.metrics.ssim import ssim
from lipdub.networks.face_generator import hide_lower_half
from lipdub.networks.talking_face import close_mouths
from lipdub.speech.sound_windows import sound_windows
from lipdub.stages import style_lip_sync
from lipdub.stages.g4g import CropPair, draw_faces
from lipdub.training import shards
from lipdub.training.dataset import Clip, Dataset, Window, open_dataset
from lipdub.training.face_windows import WindowSampler, WindowSampling
from lipdub.training.mouth_figures import fit_openings
from lipdub.training.rendered.film import write_video
from lipdub.training.style_lip_sync.sync_judge import load_sync_judge
from lipdub.weights import g4g_file, style_lip_sync_file, talking_face_file
from lipdub.weights.style_lip_sync_file import StyleLipSyncModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lipdub.networks.avsyncnet import AVSyncNet
    from lipdub.weights.g4g_file import G4GModel
    from lipdub.weights.talking_face_file import TalkingFaceModel

ENLARGED = 4  # the mesh sees larger faces better
REFERENCES = 3  # frames with the most open, and with the most shut mouth, that leaks are measured with
LEAK_FRAMES = 12
SHOWN = 12  # faces of a clip on the sheet


@dataclass
class Figures:
    """Of one model, summed over clips."""

    error: list[tuple[float, int]] = field(default_factory=list)
    lower_error: list[tuple[float, int]] = field(default_factory=list)
    rows: list[dict[str, float]] = field(default_factory=list)

    def means(self) -> dict[str, float]:
        whole = {
            "psnr": psnr(sum(e for e, _ in self.error), sum(n for _, n in self.error)),
            "mse": sum(e for e, _ in self.error) / max(sum(n for _, n in self.error), 1),
            "psnr_lower": psnr(sum(e for e, _ in self.lower_error), sum(n for _, n in self.lower_error)),
        }
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        return whole | {name: float(np.nanmean([row.get(name, np.nan) for row in self.rows])) for name in names}


def faces_of(data: Dataset, clip: Clip) -> np.ndarray:
    """uint8 (n, P, P, 3) RGB."""
    return data.crop_middle(data.read(clip).crops)


def find_pair(data: Dataset, clip: Clip) -> Clip | None:
    """The clip of the same frames with another talking mouth."""
    talking = {"plain": "speech", "speech": "plain"}
    for other in data.clips:
        is_pair = other.variant == talking.get(clip.variant) and other.start == clip.start
        if clip.scene and is_pair and (other.scene, other.speaker) == (clip.scene, clip.speaker):
            return other
    return None


def find_references(data: Dataset, pair: Clip | None, real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The faces that have a reference, and the references: those of the pair, or else of another moment."""
    if pair is None:
        return real, np.roll(real, len(real) // 2, 0)
    references = faces_of(data, pair)[: len(real)]
    return real[: len(references)], references


def read_other_mouths(data: Dataset, clip: Clip, pair: Clip | None, sound: np.ndarray, count: int) -> np.ndarray:
    """The first crops uint8 (count, S, S, 3) of a clip with other mouths."""
    crops = data.read(pair or clip).crops[:count]
    return crops if pair is not None else dub_crops(crops, np.roll(sound, len(sound) // 2), "builtin")


def dub_crops(crops: np.ndarray, sound: np.ndarray, recipe: str, model: str | None = None) -> np.ndarray:
    """Crops uint8 (n, S, S, 3) as a recipe dubs them, fewer where the sound is shorter."""
    count, side = len(crops), crops.shape[1] * ENLARGED
    sound = sound[: count * shards.SAMPLES_PER_FRAME]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        video, speech, out = folder / "pair.mp4", folder / "speech.wav", folder / "dub.mkv"
        shown = (cv2.resize(crop, (side, side), interpolation=cv2.INTER_CUBIC) for crop in crops)
        write_video(video, shown, sound, quality=4)
        wavfile.write(speech, SAMPLE_RATE_HZ, sound)
        options = {"model": model} if model else {}
        dub(video, speech, out, workspace=folder / "workspace", recipe=recipe, length="speech", crf=4, **options)
        dubbed = [to_eight_bits(frame.picture.rgb()) for frame in read_frames(out)]
    return np.stack([cv2.resize(f, crops.shape[1:3], interpolation=cv2.INTER_AREA) for f in dubbed[:count]])


def tensor(faces: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(faces)).permute(0, 3, 1, 2).float() / 255


Model: TypeAlias = "TalkingFaceModel | StyleLipSyncModel"


@dataclass(frozen=True)
class Judged:
    """A model with what judges it.

    Attributes:
        model: The model.
        sync: AVSyncNet, which hears what the model hears.
        raw: Whether its references stay as they are.
    """

    model: Model
    sync: AVSyncNet
    raw: bool


def load_model(path: Path, raw: bool) -> Judged:
    """Loads a file of either recipe."""
    try:
        talking = talking_face_file.load(path)
    except WeightsError:
        return Judged(style_lip_sync_file.load(path), load_sync_judge(), raw)
    return Judged(talking, talking.sync, raw)


@torch.inference_mode()
def say(
    judged: Judged, faces: np.ndarray, references: np.ndarray, sounds: np.ndarray, landmarks: np.ndarray
) -> np.ndarray:
    """Faces uint8 (n, P, P, 3) as the model draws them. `landmarks` (n, 478, 3) are those of the faces."""
    model, raw = judged.model, judged.raw
    if isinstance(model, StyleLipSyncModel):
        return say_by_style(model, faces, references, sounds, landmarks)
    generator = model.talking or model.silent
    assert generator is not None
    out = []
    for i in range(0, len(faces), 25):
        shown = tensor(references[i : i + 25])
        if not raw and model.silent is not None:
            shown = close_mouths(model.silent, model.sync, shown)
        audio = torch.from_numpy(sounds[i : i + 25])
        made = generator(model.sound(audio), hide_lower_half(tensor(faces[i : i + 25])), shown, audio)
        out.append((made.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy())
    return np.concatenate(out)


def say_by_style(
    model: StyleLipSyncModel, faces: np.ndarray, references: np.ndarray, sounds: np.ndarray, landmarks: np.ndarray
) -> np.ndarray:
    """Faces uint8 (n, P, P, 3) as StyleLipSync draws them from the first reference, given pixels kept as in a run."""
    size, network = faces.shape[1:3], model.network
    masks = np.stack([MASKS.get(model.mask).draw(points, *size) for points in landmarks])
    audio = style_lip_sync.encode_audio(network, sounds)
    codes = style_lip_sync.smooth_codes(network, style_lip_sync.encode_reference(network, references[0]), audio)
    out = []
    for i in range(0, len(faces), 25):
        part = slice(i, i + 25)
        drawn = style_lip_sync.draw_faces(network, codes[part], faces[part], masks[part])
        out += [mix_inside(*each) for each in zip(faces[part], drawn, masks[part], strict=True)]
    return np.round(np.stack(out) * 255).astype(np.uint8)


def draw_by_landmarks(
    model: G4GModel, data: Dataset, clip: Clip, pair: Clip | None, window: Window, count: int
) -> np.ndarray:
    """Faces uint8 (count, P, P, 3) as a model of g4g draws them with their true landmarks."""
    size = model.network.size
    side, edge = size.height, (data.side - size.height) // 2
    inner = slice(edge, edge + side)
    view = WindowSampler(data, WindowSampling(), sound=sound_windows(size.audio, size.audio_columns, size.audio_rows))
    sounds, crops = view.sounds(window), window.crops[:count].copy()
    points = window.landmarks[:count] - np.array([edge, edge, 0], np.float32)
    shown = data.read(pair or clip)
    opening = np.array([measure_mouth_shape(face)[0] for face in shown.landmarks])
    draw_mask = MASKS.get(model.mask).draw
    # Of a pair all moments are other mouths. Of the clip itself, each half sees the other one.
    halves = [np.arange(count)] if pair is not None else np.array_split(np.arange(count), 2)
    for rows in halves:
        costs = np.zeros(len(opening))
        if pair is None:
            costs[rows] = np.inf
        chosen = choose_spread(opening, costs, size.references)
        references = [CropPair(*[shown.crops[k][inner, inner]] * 2) for k in chosen]
        for i in range(0, len(rows), 25):
            part = rows[i : i + 25]
            faces = [CropPair(*[crops[k][inner, inner]] * 2) for k in part]
            masks = np.stack([draw_mask(points[k], side, side) for k in part])
            images = np.stack([draw_landmarks(points[k], side, side) for k in part])
            drawn = draw_faces(model.network, size, sounds[part], faces, masks, references, images)
            for k, face, new, mask in zip(part, faces, drawn, masks, strict=True):
                crops[k][inner, inner] = np.round(mix_inside(face.small, new, mask) * 255).clip(0, 255)
    return data.crop_middle(crops)


class Mesh:
    """The face mesh on crops that are not successive frames."""

    def __init__(self) -> None:
        import mediapipe

        self._mesh = mediapipe.solutions.face_mesh.FaceMesh(
            static_image_mode=True, max_num_faces=1, refine_landmarks=True
        )

    def points(self, faces: np.ndarray) -> np.ndarray:
        """(n, 478, 2) pixels of the crops, NaN where none is found."""
        out = np.full((len(faces), 478, 2), np.nan)
        for i, face in enumerate(faces):
            side = face.shape[0]
            found = self._mesh.process(
                cv2.resize(face, (side * ENLARGED, side * ENLARGED), interpolation=cv2.INTER_CUBIC)
            )
            if found.multi_face_landmarks:
                out[i] = [(p.x * side, p.y * side) for p in found.multi_face_landmarks[0].landmark]
        return out


def openings(points: np.ndarray) -> np.ndarray:
    """Opening and width (n, 2) in eye distances."""
    return np.array([measure_mouth_shape(p)[:2] if np.isfinite(p[0, 0]) else (np.nan, np.nan) for p in points])


def against_truth(
    figures: Figures,
    made: np.ndarray,
    real: np.ndarray,
    points: np.ndarray,
    true: np.ndarray,
    shown: np.ndarray,
    heard: Any,
) -> None:
    """Adds a clip's figures. `shown` are the landmarks (n, 478, 2) of the references."""
    half = real.shape[1] // 2
    figures.error.append(sum_squared_errors(made, real))
    figures.lower_error.append(sum_squared_errors(made[:, half:], real[:, half:]))
    grey = [[cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in faces] for faces in (made, real)]
    steps = [np.array([frame_distance(a[half:], b[half:]) for a, b in itertools.pairwise(f)]) for f in grey]
    shape, true_shape = openings(points), openings(true)
    shown_shape = openings(shown)
    both = np.isfinite(shape[:, 0]) & np.isfinite(true_shape[:, 0]) & np.isfinite(shown_shape[:, 0])
    fit = fit_openings(shape[both, 0], true_shape[both, 0], shown_shape[both, 0])
    measured = [[sharpness(*face) for face in zip(*pair, strict=True)] for pair in ((made, points), (real, true))]
    sharp = [np.array([(part.mouth, part.against_cheeks) for part in each]).T for each in measured]
    row = {
        "sharp": float(np.nanmean(np.subtract(*(each[0] for each in sharp)))),
        "cheek": float(np.nanmean(np.subtract(*(each[1] for each in sharp)))),
        "ssim": float(np.mean([ssim(a, b) for a, b in zip(*grey, strict=True)])),
        "ssim_lower": float(np.mean([ssim(a[half:], b[half:]) for a, b in zip(*grey, strict=True)])),
        "ifc": ifc(steps[0], steps[1]),
        "lmd": float(np.nanmean(lmd(points, true).pixels)) * 96 / real.shape[1],
        "opening": fit["opening"],
        "range": fit["range"],
        "jitter": jitter(shape[both, 0]) / max(jitter(true_shape[both, 0]), 1e-6),
        "from": fit["leak"],
        "speckles": float(np.nanmean([speckles(a, b, p) for a, b, p in zip(made, real, true, strict=True)])),
        "sync": agreement(shape, heard),
        "sync_real": agreement(true_shape, heard),
    }
    figures.rows.append(row)


def agreement(shape: np.ndarray, heard: Any) -> float:
    times = np.arange(len(shape)) / 25
    return estimate_sync(compare_motion(times, shape, heard.times, heard.lips, (0.0, heard.end))).agreement


def hear(sound: np.ndarray) -> Any:
    """What a clip's own sound asks of the lips."""
    from lipdub.metrics.evidence import TimedSpeech
    from lipdub.speech.lip_motion import predict_lip_motion
    from lipdub.speech.recognition import recognize as listen

    motion = predict_lip_motion(sound, SAMPLE_RATE_HZ, recognition=listen(sound))
    return TimedSpeech(sound, 0.0, motion.times, motion.mouth, "its own sound")


def leaking(
    judged: Judged, real: np.ndarray, true: np.ndarray, sounds: np.ndarray, landmarks: np.ndarray, mesh: Mesh
) -> float:
    """How far a reference's mouth shows in the result, as a share of itself. NaN where the mouth hardly opens."""
    opening = np.nan_to_num(openings(true)[:, 0], nan=float(np.nanmedian(openings(true)[:, 0])))
    order = np.argsort(opening)
    reach = float(opening[order[-REFERENCES:]].mean() - opening[order[:REFERENCES]].mean())
    if reach < 0.05:
        return np.nan
    at = np.linspace(0, len(real) - 1, LEAK_FRAMES).astype(int)
    apart = []
    for shut_one, open_one in zip(order[:REFERENCES], order[-REFERENCES:], strict=True):
        said = [
            openings(mesh.points(say(judged, real[at], np.repeat(real[[k]], len(at), 0), sounds[at], landmarks[at])))[
                :, 0
            ]
            for k in (shut_one, open_one)
        ]
        apart.append(np.nanmean(said[1] - said[0]))
    return float(np.mean(apart)) / reach


@torch.inference_mode()
def similarity(sync: AVSyncNet, faces: np.ndarray, sounds: np.ndarray) -> float:
    """Mean cosine of AVSyncNet over the windows of five frames."""
    size, half = sync.size, faces.shape[1] // 2
    lower = torch.nn.functional.interpolate(
        tensor(faces)[:, :, half:], (size.height, size.width), mode="bilinear", antialias=True
    )
    stacks = lower.unfold(0, 5, 1).permute(0, 4, 1, 2, 3).flatten(1, 2)
    heard = sync.audio_features(torch.from_numpy(sounds[2:-2]))
    return float((sync.image_features(stacks) * heard).sum(1).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("models", nargs="*", metavar="NAME=MODEL")
    parser.add_argument("--raw", action="append", default=[])
    parser.add_argument("--dub", action="append", default=[], metavar="NAME=RECIPE[:MODEL]")
    parser.add_argument("--landmarks", action="append", default=[], metavar="NAME=MODEL")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    models = {
        name: load_model(Path(path), name in asked.raw)
        for name, _, path in (text.partition("=") for text in asked.models)
    }
    dubs = {name: how.partition(":") for name, _, how in (text.partition("=") for text in asked.dub)}
    guided = {name: g4g_file.load(Path(path)) for name, _, path in (text.partition("=") for text in asked.landmarks)}
    data = open_dataset(asked.data, split=None if asked.all else "held-out")
    mesh = Mesh()
    windows = {
        name: WindowSampler(data, WindowSampling(), sound=find_sound_windows(judged.sync.size))
        for name, judged in models.items()
    }
    figures = {name: Figures() for name in ("reference", "still", *dubs, *guided, *models)}
    shown: dict[str, list[np.ndarray]] = {}
    for number, clip in enumerate([clip for clip in data.clips if clip.variant != "shut"][: asked.clips]):
        window = data.read(clip)
        real, heard = data.crop_middle(window.crops), hear(window.audio)
        sounds = {name: sampler.sounds(window) for name, sampler in windows.items()}
        true = mesh.points(real)
        pair = find_pair(data, clip)
        real, references = find_references(data, pair, real)
        true, count = true[: len(real)], len(real)
        still = np.concatenate([real[:, : real.shape[1] // 2], references[:, real.shape[1] // 2 :]], 1)
        made, others = {"reference": references, "still": still}, mesh.points(references)
        sounds = {name: windows_of[:count] for name, windows_of in sounds.items()}
        edge = (data.side - data.size) / 2
        landmarks = window.landmarks[:count] - np.array([edge, edge, 0])
        made |= {name: say(judged, real, references, sounds[name], landmarks) for name, judged in models.items()}
        for name, guide in guided.items():
            made[name] = draw_by_landmarks(guide, data, clip, pair, window, count)
        if dubs:
            others_said = read_other_mouths(data, clip, pair, window.audio, count)
        for name, (recipe, _, model) in dubs.items():
            made[name] = data.crop_middle(dub_crops(others_said, window.audio, recipe, model))
        for name, faces in made.items():
            against_truth(figures[name], faces, real, mesh.points(faces), true, others, heard)
        for name, judged in models.items():
            figures[name].rows[-1]["avsim"] = similarity(judged.sync, made[name], sounds[name])
            figures[name].rows[-1]["avsim_real"] = similarity(judged.sync, real, sounds[name])
            if pair is None:
                figures[name].rows[-1]["leak"] = leaking(judged, real, true, sounds[name], landmarks, mesh)
        if number < 2:
            for name, faces in {"real": real, **made}.items():
                shown.setdefault(name, []).append(
                    np.concatenate(faces[np.linspace(0, len(faces) - 1, SHOWN).astype(int)], 1)
                )
    found = {name: f.means() for name, f in figures.items()}
    if asked.sheet:
        rows = [row for i in range(2) for name in shown for row in shown[name][i : i + 1]]
        cv2.imwrite(str(asked.sheet), cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))
    print(json.dumps(found, indent=1) if asked.json else told(found))


def told(found: dict[str, dict[str, float]]) -> str:
    """The figures as a table."""
    names: Sequence[str] = list(dict.fromkeys(name for row in found.values() for name in row))
    lines = [" " * 14 + " ".join(f"{name:>10}" for name in names)]
    for title, row in found.items():
        lines.append(f"{title:14}" + " ".join(f"{row.get(name, float('nan')):10.3f}" for name in names))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
