"""AVSyncNet's features of clips: crops, and similarities by lag."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lipdub.faces import landmarks
from lipdub.metrics.avsyncnet import (
    compute_similarities,
    crop_lower_faces,
    crop_middle,
    embed_mouths,
    embed_sounds,
    sample_affine,
)
from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
from lipdub.speech import mel

TINY = AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True)


def network(size: AVSyncNetSize = TINY) -> AVSyncNet:
    torch.manual_seed(0)
    return AVSyncNet(size).eval()


def test_crops_move_by_whole_pixels() -> None:
    crops = torch.rand(2, 16, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(crop_middle(crops, 12, 24), crops[:, 2:14, 4:28], rtol=0, atol=1e-5)
    torch.testing.assert_close(crop_middle(crops, 12, 24, (3, -2)), crops[:, 0:12, 7:31], rtol=0, atol=1e-5)
    quarter = np.array([[[0.0, -1, 0], [1, 0, 0]]])
    turned = sample_affine(crops[None], 12, 12, quarter)[0]
    torch.testing.assert_close(turned, crops[:, 2:14, 10:22].transpose(1, 2).flip(1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("grey", [True, False])
def test_mouths_are_five_frames_from_each_on(grey: bool) -> None:
    size = AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=grey)
    net = network(size)
    crops = np.random.default_rng(0).integers(0, 255, (80, 16, 32) if grey else (80, 16, 32, 3), np.uint8)
    found = embed_mouths(net, crops)
    assert found.shape == (76, 16)
    for i in (0, 63, 64, 75):  # at the ends and across a batch
        own = torch.from_numpy(crops[i : i + 5, 2:14, 4:28]).float() / 255
        stack = own[None] if grey else own.permute(0, 3, 1, 2).reshape(1, 15, 12, 24)
        with torch.no_grad():
            torch.testing.assert_close(found[i : i + 1], net.image_features(stack), rtol=0, atol=1e-4)
    assert embed_mouths(net, crops[:4]).shape == (0, 16)


def test_sounds_are_heard_at_every_column_whatever_their_level() -> None:
    net = network()
    audio = np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.1
    found = embed_sounds(net, audio)
    assert found.shape == (81 - 15, 16)
    torch.testing.assert_close(embed_sounds(net, 0.2 * audio), found, rtol=0, atol=1e-2)
    with torch.no_grad():
        window = torch.from_numpy(mel.cut_windows(mel.compute_levelled_spectrogram(audio), np.array([65])))
        torch.testing.assert_close(found[65:], net.audio_features(window), rtol=0, atol=1e-4)
    assert embed_sounds(net, audio[:1600]).shape == (0, 16)
    assert torch.isfinite(embed_sounds(net, np.zeros(8000, np.float32))).all()


def test_similarities_know_the_lag_and_where_there_is_no_sound() -> None:
    codes = torch.nn.functional.normalize(torch.randn(200, 32, generator=torch.Generator().manual_seed(0)), dim=1)
    lags = np.array([-0.1, 0.0, 0.1, 0.2])
    # the mouth of moment i (every 40 ms) is that of the sound 0.1 s, eight columns, earlier
    moments = np.arange(10, 40)
    mouths = torch.zeros(40, 32)
    mouths[10:] = codes[torch.from_numpy(np.round(moments * 3.2).astype(int) - 8)]
    found = compute_similarities(mouths, codes, lags, mel.COLUMN_RATE)
    assert found.shape == (40, 4)
    on_columns = [i for i in moments if (i * 16) % 5 == 0]
    np.testing.assert_allclose(found[on_columns, 2], 1.0, atol=1e-5)
    assert (found[10:].argmax(1) == 2).all()
    assert np.isnan(found[0, 2:]).all() and np.isfinite(found[0, :2]).all()
    late = compute_similarities(codes[:80], codes, lags, mel.COLUMN_RATE)  # of 3.2 s of mouths, 2.5 s are heard
    assert np.isfinite(late[60, 1]) and np.isnan(late[65, 1]) and np.isfinite(late[65, 3])
    assert np.isnan(compute_similarities(mouths, codes[:1], lags, mel.COLUMN_RATE)).all()


def test_lower_faces_have_their_margin_and_follow_the_head() -> None:
    frames = [np.zeros((200, 300), np.uint8) for _ in range(6)]
    points = np.stack([40 * landmarks.load_neutral_face() + [100 + 8 * i, 80, 0] for i in range(6)])
    for frame, at in zip(frames, points, strict=True):
        x, y = np.round(at[13, :2]).astype(int)
        frame[y - 1 : y + 2, x - 1 : x + 2] = 255
    crops = crop_lower_faces(frames, points, 0.04, TINY)
    assert crops.shape == (6, 16, 32)
    for crop in crops[2:4]:  # away from the ends, where smoothing lags
        y, x = np.unravel_index(crop.argmax(), crop.shape)
        assert abs(x - 15.5) <= 1 and abs(y - 7) <= 1
