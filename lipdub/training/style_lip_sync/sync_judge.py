"""The AVSyncNet that judges drawn lips in the trainings of StyleLipSync."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lipdub.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.networks.avsyncnet import AVSyncNet


def load_sync_judge(path: Path | None = None) -> AVSyncNet:
    """Load AVSyncNet from a file of `lipdub train sync-scorer`, by default that of lipdub's own talking-face model.

    Raises:
        WeightsError: the file holds something else, or lipdub's own model is missing.
        UsageError: the file holds a SyncNet.
    """
    from lipdub.metrics.avsyncnet import load_avsyncnet
    from lipdub.networks.avsyncnet import AVSyncNet
    from lipdub.weights import talking_face_file, verify_shipped

    if path is None:
        assert talking_face_file.FAMILY.shipped is not None
        return talking_face_file.load(verify_shipped(talking_face_file.FAMILY.shipped)).sync
    network = load_avsyncnet(path)
    if not isinstance(network, AVSyncNet):
        raise UsageError(f"{path} holds a SyncNet", hint="Train AVSyncNet: lipdub train sync-scorer.")
    return network
