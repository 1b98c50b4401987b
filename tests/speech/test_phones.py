from __future__ import annotations

import numpy as np
import pytest

from lipdub.speech import phone_network, phone_recognizer, phones
from lipdub.speech.encoder import WIDTH


def test_arpabet_and_ipa_are_mapped():
    assert phones.phones_from_arpabet("AY1") == ("a", "ih")
    assert phones.phones_from_arpabet("pau") == ("sil",)
    assert phones.phones_from_ipa("ˈtʃɔɪ") == ("ch", "ao", "ih")
    assert phones.phones_from_ipa("ɡ") == ("g",)
    assert phones.phones_from_ipa("ː") == ()
    with pytest.raises(KeyError):
        phones.phones_from_arpabet("qq")


def test_segments_pass_over_flickers():
    p = np.full((40, len(phones.PHONES)), 1e-4, np.float32)
    p[:20, phones.PHONE_INDEX["sil"]] = 0.99
    p[20:, phones.PHONE_INDEX["m"]] = 0.99
    p[30, phones.PHONE_INDEX["m"]], p[30, phones.PHONE_INDEX["n"]] = 0.2, 0.79
    assert phone_network.decode_phones(p) == [(0.0, 0.2, "sil"), (0.2, 0.4, "m")]
    assert phone_network.decode_phones(p[:0]) == []


def test_numpy_network_equals_torch():
    torch = pytest.importorskip("torch")
    from lipdub.training.phone_network import PhoneNetwork, PhoneNetworkSize

    torch.manual_seed(0)
    taught = PhoneNetwork(PhoneNetworkSize(channels=24, dilations=(1, 2, 4))).eval()
    x = np.random.default_rng(0).standard_normal((73, 40)).astype(np.float32)
    known = np.random.default_rng(1).standard_normal((37, WIDTH)).astype(np.float32)
    run = PhoneNetwork({k: v.numpy() for k, v in taught.state_dict().items()})
    even = np.concatenate([x, x[-1:]])
    with torch.no_grad():
        want = taught(torch.from_numpy(even)[None], torch.from_numpy(known)[None])[0].numpy()[:73]
    np.testing.assert_allclose(run.logits(x, known), want, atol=1e-4)
    np.testing.assert_allclose(run.posteriors(x, known).sum(1), 1, atol=1e-5)
    assert run.logits(x[:0], known[:0]).shape == (0, len(phones.PHONES))


def test_shipped_network_equals_torch():
    torch = pytest.importorskip("torch")
    from lipdub.training.phone_network import PhoneNetwork

    network, _ = phone_recognizer.load_weights()
    taught = PhoneNetwork().eval()
    taught.load_state_dict({k: torch.from_numpy(np.asarray(v)) for k, v in network.tensors().items()})
    x = np.random.default_rng(0).standard_normal((120, 40)).astype(np.float32)
    known = np.random.default_rng(1).standard_normal((60, WIDTH)).astype(np.float32)
    with torch.no_grad():
        want = taught(torch.from_numpy(x)[None], torch.from_numpy(known)[None])[0].numpy()
    np.testing.assert_allclose(network.logits(x, known), want, atol=1e-3, rtol=1e-4)
