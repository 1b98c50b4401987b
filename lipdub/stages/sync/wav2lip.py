"""sync, method `wav2lip`: Wav2Lip's generator at 96 pixels, its mouths laid back at the face's own size.

Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild" (ACM Multimedia 2020). What
the published script does with one detector's boxes, a forward mean of five of them and constant frame rates is done here
with the followed mesh and each frame's own time; only the lower face is changed, inside the jaw's outline. Where neutralize
shut the mouths (`silent-lip`), those faces are its references.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lipdub.faces import tensors
from lipdub.stages import inference, talking_face
from lipdub.stages.sync import generator
from lipdub.stages.sync.plan import FacePlan

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from lipdub.stages.base import StageContext
    from lipdub.stages.sync.options import SyncOptions
    from lipdub.weights.store import VerifiedWeights

SIZE = 96  # pixels of the network's faces
WEIGHTS = ("wav2lip-gan", "wav2lip")  # entries of the manifest, the preferred one first
# The detector whose boxes the network was trained with takes the face from mid-forehead to just under the chin, and
# the script adds 10 pixels below: shares of the mesh's own box.
BELOW = 0.06
PROFILE = inference.NetworkProfile(item_bytes=32 << 20, batch=32, channels_last=True, accelerated=600)


def run(ctx: StageContext, options: SyncOptions) -> dict[str, Any]:
    """Plans the whole result from the tracks, then generates the chunks that are missing."""
    kept = _kept()

    def prepare(plan: FacePlan, mel: np.ndarray) -> generator.Generate:
        network = inference.prepare_network(ctx, options, inference.load_on_device(ctx, kept), PROFILE, plan.dubbed)
        shut = ctx.summaries["neutralize"].get("method") == talking_face.METHOD

        def made(frames: list[int], faces: list[np.ndarray]) -> np.ndarray:
            references = talking_face.closed_mouth_references(ctx, plan, frames, faces) if shut else None
            return generate(network, faces, mel, plan.time[frames] - options.offset, references)

        return made

    return generator.run_generator(
        ctx,
        options,
        generator.Method("wav2lip", BELOW, inference.preferred_batch(ctx, PROFILE), prepare, (kept.trust_note,)),
    )


def generate(
    network: Any,
    faces: list[np.ndarray],
    mel: np.ndarray,
    times: np.ndarray,
    references: list[np.ndarray] | None = None,
) -> np.ndarray:
    """Faces that say the speech: float32 (n, 96, 96, 3) RGB 0..1.

    Args:
        network: `networks.wav2lip.Wav2Lip`, ready or not. faces: n pictures (h, w, 3) RGB, uint8 or uint16. mel: of `speech.mel`.
        times: (n,) seconds of the speech. references: the faces as they are to be taken for reference, as large; None: as they are.
    """
    import torch

    from lipdub.speech.mel import cut_windows, find_window_starts

    blue_first = torch.from_numpy(tensors.to_network_input(faces, SIZE))
    masked = blue_first.clone()
    masked[:, :, SIZE // 2 :] = 0
    if references is not None:
        blue_first = torch.from_numpy(tensors.to_network_input(references, SIZE))
    sound = torch.from_numpy(cut_windows(mel, find_window_starts(times)))[:, None]
    made = inference.run_network(network, inference.call_directly, sound, torch.cat([masked, blue_first], 1))
    return made.permute(0, 2, 3, 1).numpy()[..., ::-1]


def weights_path() -> Path:
    """The verified checkpoint to use. Raises WeightsError when there is none."""
    return _kept().path


def _kept() -> VerifiedWeights:
    from lipdub.weights.store import WeightsStore

    return WeightsStore().first(WEIGHTS)
