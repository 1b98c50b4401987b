"""`lipdub train face-features`: the small network of perceptual losses, for where VGG-19 is not installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lipdub.training.trainable import DatasetTrainable, Runtime

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from lipdub.training.dataset import Dataset
    from lipdub.training.face_features import FaceFeaturesOptions


class FaceFeaturesTrainable(DatasetTrainable["FaceFeaturesOptions", None]):
    """Features of faces."""

    name = "face-features"
    summary = "Train the perceptual features of faces that replace VGG-19 where it is not installed."
    checkpoint_name = "face-features"

    def default_settings(self, arguments: Any) -> FaceFeaturesOptions:
        """Give the default network."""
        from lipdub.training.face_features import FaceFeaturesOptions

        return FaceFeaturesOptions()

    def load_inputs(self, arguments: Any) -> None:
        """Load nothing: the training begins anew."""

    def train_network(
        self,
        data: Dataset,
        held_out: Dataset | None,
        inputs: None,
        folder: Path,
        settings: FaceFeaturesOptions,
        seed: int,
        runtime: Runtime,
    ) -> nn.Module:
        """Train the network on single faces."""
        from lipdub.training.face_features import train_network

        return train_network(data, folder, settings, seed=seed, device=runtime.device, progress=runtime.report)

    def evaluate(
        self, network: nn.Module, held_out: Dataset | None, settings: FaceFeaturesOptions, runtime: Runtime
    ) -> dict[str, float]:
        """Measure the errors on held-out faces without augmentation."""
        from lipdub.training.face_features import evaluate_network

        if held_out is None:
            runtime.report("face features: the dataset has no held-out clips, so nothing is evaluated")
            return {}
        figures: dict[str, float] = evaluate_network(network, held_out, settings)
        runtime.report(
            f"face features: errors on held-out faces: landmarks {100 * figures['landmarks']:.2f} % of the picture, "
            f"colours {100 * figures['colours']:.1f} % of white"
        )
        return figures

    def save(self, out: Path, network: nn.Module, inputs: None, notes: dict[str, Any]) -> Path:
        """Write the features without the heads that were trained with them."""
        from lipdub.weights import face_features_file

        return face_features_file.save(out, network.features, notes)


FACE_FEATURES = FaceFeaturesTrainable()
