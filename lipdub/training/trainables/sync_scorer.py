"""`lipdub train sync-scorer`: AVSyncNet, which measures whether a mouth fits a sound."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from lipdub.options import option
from lipdub.training.trainable import DatasetTrainable, Runtime, SizedArguments

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from lipdub.training.dataset import Dataset
    from lipdub.training.sync_scorer import SyncScorerOptions


@dataclass(frozen=True)
class SyncScorerArguments(SizedArguments):
    """Arguments of the training of AVSyncNet."""

    audio_feature: Literal["phonetic", "mel"] = option(
        "phonetic",
        "--audio-feature",
        help="How it hears: phones, which are the same for all voices, or the paper's mel spectrogram. The generators "
        "trained with it hear the same.",
    )


class SyncScorerTrainable(DatasetTrainable["SyncScorerOptions", None]):
    """AVSyncNet."""

    name = "sync-scorer"
    summary = "Train AVSyncNet, which tells whether a mouth goes with a sound."
    arguments = SyncScorerArguments
    checkpoint_name = "sync"

    def default_settings(self, arguments: Any) -> SyncScorerOptions:
        """Give the small AVSyncNet, or with --full the paper's, which hears the feature of --audio-feature."""
        from lipdub.networks.avsyncnet import AVSyncNetSize
        from lipdub.training.sync_scorer import SyncScorerOptions, hear_feature

        options = SyncScorerOptions(size=AVSyncNetSize()) if arguments.full else SyncScorerOptions()
        return replace(options, size=hear_feature(options.size, arguments.audio_feature))

    def load_inputs(self, arguments: Any) -> None:
        """Load nothing: the training begins anew."""

    def train_network(
        self,
        data: Dataset,
        held_out: Dataset | None,
        inputs: None,
        folder: Path,
        settings: SyncScorerOptions,
        seed: int,
        runtime: Runtime,
    ) -> nn.Module:
        """Train the network on clips of five frames or more."""
        from lipdub.training.sync_scorer import SyncClips, train_scorer

        clips = SyncClips(data, settings.face_size, seed)
        return train_scorer(clips, folder, settings, seed=seed, device=runtime.device, progress=runtime.report)

    def evaluate(
        self, network: nn.Module, held_out: Dataset | None, settings: SyncScorerOptions, runtime: Runtime
    ) -> dict[str, float]:
        """Measure how many held-out moments find their own sound."""
        from lipdub.training.sync_scorer import SyncClips, matching_accuracy

        if held_out is None:
            runtime.report("sync: the dataset has no held-out clips, so nothing is evaluated")
            return {}
        clips = SyncClips(held_out, settings.face_size)
        matched = round(matching_accuracy(network, clips, settings), 4)
        runtime.report(f"sync: {100 * matched:.1f} % of held-out moments find their own sound among {settings.moments}")
        return {"matched": matched}

    def save(self, out: Path, network: nn.Module, inputs: None, notes: dict[str, Any]) -> Path:
        """Write the network."""
        from lipdub.training.sync_scorer import write_weights

        return write_weights(out, network, notes)


SYNC_SCORER = SyncScorerTrainable()
