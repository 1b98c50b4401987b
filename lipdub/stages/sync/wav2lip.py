"""sync, method `wav2lip`: Wav2Lip's generator at 96 pixels, its mouths composited at the face's own size.

Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild" (ACM Multimedia 2020).
The published script uses the boxes of one detector, a forward mean of five of them, and a constant frame rate. Here
the tracked mesh and each frame's own time are used instead. Only the lower face inside the jaw's outline changes.
Where neutralize closed the mouths (`silent-lip`), those faces are the references.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lipdub.faces import tensors
from lipdub.stages import inference, talking_face
from lipdub.stages.neutralize.store import NeutralizeStore
from lipdub.stages.sync.generator import Generate, GeneratorMethod, GeneratorRun
from lipdub.weights.requirement import AnyOf
from lipdub.weights.store import WeightsStore

if TYPE_CHECKING:
    from lipdub.arrays import Array

SIZE = 96  # pixels of the network's faces
# The detector whose boxes the network was trained with takes the face from mid-forehead to just under the chin, and
# the script adds 10 pixels below: shares of the mesh's own box.
BELOW_CHIN = 0.06
TRAITS = inference.NetworkTraits(item_bytes=32 << 20, batch=32, channels_last=True, accelerated=600)


class Wav2Lip(GeneratorMethod):
    """Wav2Lip's generator at 96 pixels."""

    name = "wav2lip"
    summary = "Wav2Lip's generator at 96 pixels (Prajwal et al., 2020)"
    weights = AnyOf("wav2lip-gan", "wav2lip")
    audio_feature = "mel-reflected"  # as the published script pads the sound
    below_chin = BELOW_CHIN
    traits = TRAITS

    def prepare(self, run: GeneratorRun) -> Generate:
        """Load the network. Where neutralize closed the mouths, those faces are its references."""
        ctx, options = run.ctx, run.options
        (weights,) = self.weights.verify_files(WeightsStore())
        network = inference.prepare_network(
            ctx, options, inference.load_on_device(ctx, weights), TRAITS, run.plan.dubbed
        )
        is_closed = NeutralizeStore.from_context(ctx).method == talking_face.METHOD

        def draw(frames: list[int], faces: list[Array]) -> Array:
            references = None
            if is_closed:
                references = talking_face.closed_mouth_references(ctx, run.plan, frames, faces)
                references = run.turn_upright(frames, references)
            upright = run.turn_upright(frames, faces)
            return generate(network, upright, run.features, run.speech_times(frames), references)

        return draw


METHOD = Wav2Lip()


def generate(
    network: Any,
    faces: list[Array],
    mel: Array,
    times: Array,
    references: list[Array] | None = None,
) -> Array:
    """Draw faces that say the speech.

    Args:
        network: `networks.wav2lip.Wav2Lip`, prepared or not.
        faces: (h, w, 3) uint8 or uint16 RGB each.
        mel: (80, columns) float32 of `speech.mel`.
        times: (n,) seconds of the speech.
        references: The faces as references, of the same sizes; None for the faces themselves.

    Returns:
        (n, 96, 96, 3) float32 RGB 0..1.
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
    result: Array = made.permute(0, 2, 3, 1).numpy()[..., ::-1]
    return result
