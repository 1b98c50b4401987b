"""The AVSyncNet that judges drawn lips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from lipdub.errors import UsageError, WeightsError
from lipdub.networks.syncnet_scorer import SyncNetScorer
from lipdub.training import sync_scorer
from lipdub.training.style_lip_sync.sync_judge import load_sync_judge
from lipdub.weights import talking_face_file, verify_shipped
from tests.training.style_lip_sync.small import HEARS, copy_state, prior, sync

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.networks.avsyncnet import AVSyncNet


def same(one: AVSyncNet, other: AVSyncNet) -> bool:
    values = zip(copy_state(one).values(), copy_state(other).values(), strict=True)
    return all(torch.allclose(a, b, atol=1e-3) for a, b in values)


def test_by_default_it_is_that_of_lipdubs_own_talking_face_model() -> None:
    judge = load_sync_judge()
    assert not judge.training
    assert same(judge, talking_face_file.load(verify_shipped("stabilized.safetensors")).sync)


def test_it_comes_from_a_file_of_the_sync_scorer(tmp_path: Path) -> None:
    path = sync_scorer.write_weights(tmp_path / "sync.safetensors", sync(seed=3), {"seed": 0})
    judge = load_sync_judge(path)
    assert judge.size == HEARS and not judge.training and same(judge, sync(seed=3)) and not same(judge, sync(seed=4))


def test_other_files_are_refused(tmp_path: Path) -> None:
    from lipdub.weights import face_prior_file

    torch.manual_seed(0)
    path = sync_scorer.write_weights(tmp_path / "syncnet.safetensors", SyncNetScorer(4), {"seed": 0})
    with pytest.raises(UsageError, match=r"holds a SyncNet.*lipdub train sync-scorer"):
        load_sync_judge(path)
    with pytest.raises(WeightsError, match="holds no weights of AVSyncNet"):
        load_sync_judge(face_prior_file.save(tmp_path / "prior.safetensors", prior()))
