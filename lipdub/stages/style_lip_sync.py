"""The model that `style-reference` and `stylelipsync` share, and the style codes between them.

The generator works on small aligned crops (`faces.alignment.full_face`), as `stabilized` does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import UsageError, WeightsError
from lipdub.speech.sound_windows import SoundWindows, sound_windows
from lipdub.stages import inference
from lipdub.weights import style_lip_sync_file

if TYPE_CHECKING:
    from lipdub.arrays import F32, U8
    from lipdub.stages.base import StageContext
    from lipdub.weights.style_lip_sync_file import StyleLipSyncModel
    from lipdub.workspace import StageStore

REFERENCE_METHOD = "style-reference"  # of neutralize
TRAITS = inference.NetworkTraits(item_bytes=64 << 20, batch=16, channels_last=True)


def model_files(model: str) -> list[Path]:
    """Return a model's file, and that of the model it is a difference to."""
    return list(dict.fromkeys([Path(model), style_lip_sync_file.find_whole(Path(model))]))


def face_pixels(model: str) -> int:
    """Return the side in pixels of the faces that a model file draws.

    Raises:
        WeightsError: The file holds no StyleLipSync model.
    """
    description = style_lip_sync_file.read_description(Path(model))
    try:
        return int(description["size"]["decoder"]["pixels"])
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{model} does not say what its networks are like: {error}") from error


def read_mask(model: str) -> str:
    """Return the mask that a model file was trained with, a name in `faces.masks.MASKS`."""
    return str(style_lip_sync_file.read_description(Path(model))["mask"])


def find_sound_windows(model: str) -> SoundWindows:
    """Return the windows of sound that a model file hears.

    Raises:
        WeightsError: The file holds no StyleLipSync model.
        UsageError: This version of lipdub does not have these windows.
    """
    audio, rows, columns = style_lip_sync_file.read_audio(Path(model))
    return sound_windows(audio, columns, rows)


def load_model(ctx: StageContext, model: str) -> StyleLipSyncModel:
    """Load a model file on the run's device."""
    import torch

    torch.set_num_threads(ctx.threads)
    loaded = style_lip_sync_file.load(Path(model))
    loaded.network.to(ctx.device)
    return loaded


def encode_reference(network: Any, face: U8) -> F32:
    """Encode a face (P, P, 3) uint8 RGB: w_ref (2L, D) float32. `network` is a `StyleLipSync`, prepared or not."""
    import torch

    picture = torch.from_numpy(face).permute(2, 0, 1)[None].float() / 255
    code: F32 = inference.run_network(network, lambda model, shown: model.encode_references(shown), picture)[0].numpy()
    return code


def encode_audio(network: Any, sounds: F32) -> F32:
    """Encode windows of sound (n, rows, columns): a_t (n, 2L, D) float32."""
    import torch

    heard = torch.from_numpy(np.ascontiguousarray(sounds, np.float32))
    codes: F32 = inference.run_network(network, lambda model, sound: model.encode_audio(sound), heard).numpy()
    return codes


def smooth_codes(network: Any, reference: F32, audio: F32) -> F32:
    """Smooth the codes of successive frames of one shot.

    Args:
        network: A `StyleLipSync`, prepared or not.
        reference: (2L, D) w_ref.
        audio: (n, 2L, D) a_t.

    Returns:
        (n, 2L, D) float32, the codes that steer the decoder. Each depends on `SMOOTHING_REACH` frames to either side.
    """
    import torch

    inputs = torch.from_numpy(reference)[None], torch.from_numpy(audio)[None]
    codes: F32 = inference.run_network(network, lambda model, *given: model.smooth_codes(*given), *inputs)[0].numpy()
    return codes


def draw_faces(network: Any, codes: F32, faces: U8, masks: U8) -> F32:
    """Draw faces.

    Args:
        network: A `StyleLipSync`, prepared or not.
        codes: (n, 2L, D) of `smooth_codes`.
        faces: (n, P, P, 3) uint8 RGB.
        masks: (n, P, P) uint8, 1 where they are drawn anew.

    Returns:
        (n, P, P, 3) float32 RGB 0..1.
    """
    import torch

    shown = torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 255
    hidden = torch.from_numpy(masks)[:, None].float()
    made = inference.run_network(
        network, lambda model, *inputs: model.draw(*inputs), torch.from_numpy(codes), shown, hidden
    )
    result: F32 = made.permute(0, 2, 3, 1).numpy().clip(0, 1)
    return result


class StyleReferenceStore:
    """What `style-reference` wrote of a track besides the placements.

    Args:
        store: neutralize's folder in the workspace.
        track: The track's id.
    """

    def __init__(self, store: StageStore, track: int) -> None:
        self._store = store
        self._face, self._code = f"reference-{track}", f"code-{track}"

    def is_complete(self) -> bool:
        """Return whether the track was encoded."""
        return self._store.has(self._code) and not self._store.open(self._code).missing()

    def write(self, face: U8, code: F32) -> None:
        """Write the face (P, P, 3) uint8 that was encoded, and its code (2L, D)."""
        self._store.array(self._face, shape=(1, *face.shape), dtype="uint8", chunk=1).write(0, face[None])
        self._store.array(self._code, shape=(1, *code.shape), dtype="float32", chunk=1).write(0, code[None])

    def read_code(self) -> F32:
        """Read w_ref (2L, D) float32.

        Raises:
            UsageError: The track was not encoded.
        """
        if not self._store.has(self._code):
            raise UsageError(
                f"neutralize encoded no reference of face {self._code.removeprefix('code-')}",
                hint="Run lipdub neutralize with the same --face first.",
            )
        code: F32 = self._store.open(self._code).read(0, 1)[0]
        return code


def scale_motion(audio: F32, silence: F32, strength: float) -> F32:
    """Scale the motion of audio style codes about that of silence: 0 is a mouth at rest, 1 as spoken.

    The codes are added to a reference's, and codes are near linear in what they show (Ki and Min, Eq. 3). So this is
    how far the mouth moves.

    Args:
        audio: (n, 2L, D) a_t.
        silence: (2L, D) the code of silence.
        strength: 0 or more.

    Returns:
        (n, 2L, D) float32.
    """
    return (silence + np.float32(strength) * (audio - silence)).astype(np.float32)
