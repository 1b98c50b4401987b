"""The phone network in NumPy, and the decoding of its posteriors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.speech.encoder import WIDTH
from lipdub.speech.phone_network import PhoneNetwork, convolve_time, decode_phones
from lipdub.speech.phone_recognizer import load_weights
from lipdub.speech.phones import PHONE_INDEX, PHONES


def test_decoding_passes_over_flickers() -> None:
    p = np.full((40, len(PHONES)), 1e-4, np.float32)
    p[:20, PHONE_INDEX["sil"]] = 0.99
    p[20:, PHONE_INDEX["m"]] = 0.99
    p[30, PHONE_INDEX["m"]], p[30, PHONE_INDEX["n"]] = 0.2, 0.79
    assert decode_phones(p) == [(0.0, 0.2, "sil"), (0.2, 0.4, "m")]
    assert decode_phones(p[:0]) == []


def test_numpy_network_equals_torch() -> None:
    torch = pytest.importorskip("torch")
    from lipdub.training import phone_network as in_torch

    torch.manual_seed(0)
    trained = in_torch.TorchPhoneNetwork(in_torch.PhoneNetworkSize(channels=24, dilations=(1, 2, 4))).eval()
    x = np.random.default_rng(0).standard_normal((73, 40)).astype(np.float32)
    encoding = np.random.default_rng(1).standard_normal((37, WIDTH)).astype(np.float32)
    run = PhoneNetwork({k: v.numpy() for k, v in trained.state_dict().items()})
    even = np.concatenate([x, x[-1:]])
    with torch.no_grad():
        want = trained(torch.from_numpy(even)[None], torch.from_numpy(encoding)[None])[0].numpy()[:73]
    np.testing.assert_allclose(run.logits(x, encoding), want, atol=1e-4)
    np.testing.assert_allclose(run.posteriors(x, encoding).sum(1), 1, atol=1e-5)
    assert run.logits(x[:0], encoding[:0]).shape == (0, len(PHONES))


def test_shipped_network_equals_torch() -> None:
    torch = pytest.importorskip("torch")
    from lipdub.training import phone_network as in_torch

    network, _ = load_weights()
    trained = in_torch.TorchPhoneNetwork().eval()
    trained.load_state_dict({k: torch.from_numpy(np.asarray(v)) for k, v in network.tensors().items()})
    x = np.random.default_rng(0).standard_normal((120, 40)).astype(np.float32)
    encoding = np.random.default_rng(1).standard_normal((60, WIDTH)).astype(np.float32)
    with torch.no_grad():
        want = trained(torch.from_numpy(x)[None], torch.from_numpy(encoding)[None])[0].numpy()
    np.testing.assert_allclose(network.logits(x, encoding), want, atol=1e-3, rtol=1e-4)


def test_weights_of_other_features_are_refused() -> None:
    tensors = load_weights()[0].tensors()
    tensors["stem.weight"] = tensors["stem.weight"][:, :20]
    with pytest.raises(ValueError, match="20 mel bands, not 40"):
        PhoneNetwork(tensors)


@given(st.integers(1, 40), st.sampled_from([1, 3, 5]), st.integers(1, 3))
def test_convolution_keeps_the_length_and_a_centred_tap_is_the_input(steps: int, taps: int, dilation: int) -> None:
    x = np.random.default_rng(steps).standard_normal((steps, 2))
    weight = np.zeros((2, 2, taps))
    weight[:, :, taps // 2] = np.eye(2)
    np.testing.assert_allclose(convolve_time(x, weight, np.zeros(2), dilation=dilation), x)


@given(st.lists(st.tuples(st.sampled_from(PHONES), st.integers(4, 20)), min_size=1, max_size=10))
def test_decoded_phones_cover_the_time_and_are_those_of_certain_posteriors(spans: list[tuple[str, int]]) -> None:
    labels = [p for p, n in spans for _ in range(n)]
    p = np.full((len(labels), len(PHONES)), 1e-4, np.float32)
    p[np.arange(len(labels)), [PHONE_INDEX[x] for x in labels]] = 1
    phones = decode_phones(p)
    assert phones[0].start == 0 and phones[-1].end == pytest.approx(len(labels) / 100)
    assert all(a.end == b.start and a.label != b.label for a, b in itertools.pairwise(phones))
    assert [s.label for s in phones for _ in range(round((s.end - s.start) * 100))] == labels
