"""`lipdub train landmark-heatmaps`: the network that says where landmarks are, for where FAN is not installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lipdub.training.trainable import DatasetTrainable, Runtime

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.networks.landmark_heatmaps import LandmarkHeatMaps
    from lipdub.training.dataset import Dataset
    from lipdub.training.landmark_heatmaps import HeatMapOptions


class LandmarkHeatMapsTrainable(DatasetTrainable["HeatMapOptions", None]):
    """Heat maps of landmarks."""

    name = "landmark-heatmaps"
    summary = "Train the heat maps of landmarks that replace FAN in editing where it is not installed."
    checkpoint_name = "landmark-heatmaps"

    def default_settings(self, arguments: Any) -> HeatMapOptions:
        """Give the default network."""
        from lipdub.training.landmark_heatmaps import HeatMapOptions

        return HeatMapOptions()

    def load_inputs(self, arguments: Any) -> None:
        """Load nothing: the training begins anew."""

    def train_network(
        self,
        data: Dataset,
        held_out: Dataset | None,
        inputs: None,
        folder: Path,
        settings: HeatMapOptions,
        seed: int,
        runtime: Runtime,
    ) -> LandmarkHeatMaps:
        """Train the network on single faces."""
        from lipdub.training.landmark_heatmaps import train_heatmaps

        return train_heatmaps(data, folder, settings, seed=seed, device=runtime.device, progress=runtime.report)

    def evaluate(
        self, network: Any, held_out: Dataset | None, settings: HeatMapOptions, runtime: Runtime
    ) -> dict[str, float]:
        """Measure the peaks on held-out faces without augmentation."""
        from lipdub.training.landmark_heatmaps import evaluate_heatmaps

        if held_out is None:
            runtime.report("landmark heat maps: the dataset has no held-out clips, so nothing is evaluated")
            return {}
        figures: dict[str, float] = evaluate_heatmaps(network, held_out, settings)
        runtime.report(
            f"landmark heat maps: peaks on held-out faces are {100 * figures['landmarks']:.2f} % of the picture off, "
            f"those of the mouth {100 * figures['mouth']:.2f} %"
        )
        return figures

    def save(self, out: Path, network: Any, inputs: None, notes: dict[str, Any]) -> Path:
        """Write the network."""
        from lipdub.weights import landmark_heatmaps_file

        return landmark_heatmaps_file.save(out, network, notes)


LANDMARK_HEATMAPS = LandmarkHeatMapsTrainable()
