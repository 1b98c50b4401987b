"""A small network, entries that publish it, and files of it, for tests of the weights store."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from lipdub.weights import manifest
from lipdub.weights.manifest import ManifestEntry, NetworkPart

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

NETWORK = "tests.weights.small:Small"


class Small(nn.Module):
    """A linear layer and a batch norm."""

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.layer = nn.Linear(2, width)
        self.norm = nn.BatchNorm1d(width)


def part(name: str = "state", **how: Any) -> NetworkPart:
    """A part that is a :class:`Small`."""
    return NetworkPart(**{"name": name, "network": NETWORK, "arguments": {}, **how})


def entry(name: str = "small", **how: Any) -> ManifestEntry:
    """An entry of a file that was published without a digest."""
    facts: dict[str, Any] = {
        "name": name,
        "file": f"{name}.pth",
        "used_by": ("trial",),
        "urls": (),
        "bytes": None,
        "sha256": None,
        "licence": "none stated",
        "commercial": None,
        "source": "https://example.org",
        "parts": (part(),),
    }
    return ManifestEntry(**{**facts, **how})


def state(width: int = 3, seed: int = 0) -> dict[str, torch.Tensor]:
    """Seeded weights of a :class:`Small`."""
    torch.manual_seed(seed)
    return Small(width).state_dict()


def saved(path: Path, content: Any, legacy: bool = False) -> Path:
    """``content`` as PyTorch writes it."""
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def offline(patch: pytest.MonkeyPatch) -> None:
    """Makes whatever asks for the network in a test fail."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a test asked for the network")

    for place in ("socket.socket.connect", "torch.hub.load_state_dict_from_url", "torch.hub.download_url_to_file"):
        patch.setattr(place, refuse)


def publish(monkeypatch: pytest.MonkeyPatch, folder: Path, *items: ManifestEntry) -> None:
    """Makes these entries the manifest."""
    rows = [{**vars(item), "parts": [vars(part) for part in item.parts]} for item in items]
    path = folder / "published.json"
    path.write_text(json.dumps({"files": rows}))
    manifest._read.cache_clear()
    monkeypatch.setattr(manifest, "locate_shipped", lambda name: path)
