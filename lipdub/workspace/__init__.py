"""The folder of on-disk caches of one job: records with keys, chunked arrays, a lock."""

from __future__ import annotations

from lipdub.workspace.chunks import ChunkedArray
from lipdub.workspace.folder import StageRecord, Workspace
from lipdub.workspace.stage_store import StageStore

__all__ = ["ChunkedArray", "StageRecord", "StageStore", "Workspace"]
