from __future__ import annotations

import json

import numpy as np
import pytest

from lipdub.speech import coarticulation, phone_recognizer
from lipdub.speech import lip_motion as lips
from lipdub.speech.coarticulation import LipModel
from lipdub.speech.encoder import WIDTH, interpolate_steps
from lipdub.speech.phone_features import MELS, compute_log_mel, compute_mel_power
from lipdub.speech.phones import PHONE_INDEX, PHONES

torch = pytest.importorskip("torch")

from lipdub.training import grid, lip_fit, lip_motion  # noqa: E402
from lipdub.training.phone_network import PhoneNetworkSize  # noqa: E402
from lipdub.training.phone_training import PhoneTrainingOptions, SpeechWindows, normalize_power, train_phone_network  # noqa: E402
from lipdub.training.phone_windows import ENCODER_FRAMES, WINDOW_FRAMES, Utterance, make_windows  # noqa: E402
from lipdub.training.speech_augmentation import augment_speech  # noqa: E402


def made_corpus(count: int = 4, seed: int = 0) -> SpeechWindows:
    """Each phone a steady colour of its own, plus noise: easy to learn."""
    rng = np.random.default_rng(seed)
    colours = rng.normal(-30, 10, (len(PHONES), MELS))
    labels = np.repeat(rng.integers(0, 6, (count, WINDOW_FRAMES // 10)), 10, axis=1).astype(np.uint8)
    power = colours[labels] + rng.normal(0, 1, (count, WINDOW_FRAMES, MELS))
    encoded = rng.normal(0, 1, (count, ENCODER_FRAMES, WIDTH))
    return SpeechWindows(encoded.astype(np.float16), power.astype(np.float16), labels)


OPTIONS = PhoneTrainingOptions(
    steps=30, batch=4, window=100, save_every=10, size=PhoneNetworkSize(channels=16, dilations=(1, 2))
)


def test_training_resumes_where_it_stopped(tmp_path, monkeypatch):
    speech = made_corpus()
    whole = train_phone_network([(speech, 1.0)], tmp_path / "whole", OPTIONS, seed=3)

    class StoppedError(Exception):
        pass

    from lipdub.training import phone_training

    calls = 0

    def stopping(*args):
        nonlocal calls
        calls += 1
        if calls == 18:
            raise StoppedError
        return normalize_power(*args)

    monkeypatch.setattr(phone_training, "normalize_power", stopping)
    with pytest.raises(StoppedError):
        train_phone_network([(speech, 1.0)], tmp_path / "parts", OPTIONS, seed=3)
    again = train_phone_network([(speech, 1.0)], tmp_path / "parts", OPTIONS, seed=3)
    assert calls == 18 + 20  # went on from step 10, the last kept
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_training_features_are_the_features_of_inference():
    audio = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) * 0.05
    power = compute_mel_power(audio)
    decibel = torch.from_numpy(10 * np.log10(np.maximum(power, 1e-12)))[None]
    np.testing.assert_allclose(normalize_power(decibel)[0].numpy(), compute_log_mel(power), atol=1e-4)


def test_disturbances_keep_the_length_and_are_repeatable():
    speech = np.random.default_rng(0).standard_normal(20_000) * np.sin(np.arange(20_000) / 900) ** 2
    for seed in range(12):
        a, b = (augment_speech(speech, np.random.default_rng(seed), speech[::-1]) for _ in range(2))
        assert a.dtype == np.float32 and a.shape == speech.shape and np.isfinite(a).all() and np.array_equal(a, b)


def test_windows_hold_speech_and_its_phones():
    """A voice that says one vowel in a tone: where the sound is loud, the label is the vowel."""
    tone = (0.3 * np.sin(np.arange(16_000) * 0.2)).astype(np.float32)
    spoken = Utterance(tone, ((0.0, 1.0, "aa"),))
    made = list(make_windows(lambda: spoken, 2, np.random.default_rng(4)))
    assert len(made) == 2
    for encoded, power, phones in made:
        assert (
            encoded.shape == (ENCODER_FRAMES, WIDTH)
            and power.shape == (WINDOW_FRAMES, MELS)
            and phones.shape == (WINDOW_FRAMES,)
        )
        assert set(np.unique(phones)) == {PHONE_INDEX["sil"], PHONE_INDEX["aa"]}
        loud = power.astype(np.float64).max(1)
        assert np.median(loud[phones == PHONE_INDEX["aa"]]) > np.median(loud[phones == PHONE_INDEX["sil"]])


def test_parts_of_windows_keep_their_phase():
    speech = made_corpus()
    encoded, power, phones = speech.batch(5, 100, np.random.default_rng(0))
    assert encoded.shape == (5, 50, WIDTH) and power.shape == (5, 100, MELS) and phones.shape == (5, 100)
    whole, _, all_phones = speech.part(slice(0, 1)).batch(1, WINDOW_FRAMES, np.random.default_rng(0))
    np.testing.assert_array_equal(all_phones[0], speech.phones[0])
    np.testing.assert_allclose(whole[0], interpolate_steps(speech.encoded[0].astype(np.float32), 0, WINDOW_FRAMES // 2))


def test_lip_fit_finds_the_lead_of_the_lips_and_stays_near_the_table():
    rng = np.random.default_rng(0)
    posteriors = np.eye(len(PHONES), dtype=np.float32)[np.repeat(rng.integers(0, len(PHONES), (6, 30)), 10, axis=1)]
    posteriors[:, :20] = posteriors[:, -20:] = np.eye(len(PHONES))[PHONE_INDEX["sil"]]
    table = LipModel.phonetic()
    early = LipModel(table.targets, table.dominance, table.reach, table.lead + 0.04)
    own = np.stack([coarticulation.blend_lip_shapes(p, early)[::4][:, [0, 1, 3]] for p in posteriors])
    model = lip_fit.fit_lip_model(posteriors, own, lip_fit.LipFitOptions(steps=60, hold_reach=0.001))
    assert model.lead[0] > table.lead[0] + 0.01
    assert np.abs(model.targets - table.targets).max() < 0.3
    assert not model.targets[PHONE_INDEX["sil"]].any() and model.targets[PHONE_INDEX["p"], 0] == 0


def test_held_out_clips_are_a_fixed_fifteenth():
    names = [f"clip{i:03d}" for i in range(900)]
    apart = grid.held_out_clips(reversed(names))
    assert len(apart) == 60 and apart[:2] == ["clip007", "clip022"]


def test_forced_alignment_finds_known_phones():
    words = [(0.0, 0.2, "sil"), (0.2, 0.5, "bin"), (0.5, 0.8, "blue"), (0.8, 1.0, "sil")]
    truth = [("sil", 20), ("b", 6), ("ih", 12), ("n", 12), ("b", 5), ("l", 8), ("uw", 17), ("sil", 20)]
    p = np.full((100, len(PHONES)), 0.01, np.float32)
    p[np.arange(100), [PHONE_INDEX[x] for x, n in truth for _ in range(n)]] = 0.6
    found = grid.align_phones(words, p)
    assert [x for _, _, x in found] == [x for x, _ in truth]
    ends = np.cumsum([n for _, n in truth]) / 100
    assert np.abs(np.array([b for _, b, _ in found]) - ends).max() <= 0.02


def test_weights_file_round_trip(tmp_path):
    network, model = phone_recognizer.load_weights()
    out = lip_motion.write_weights(tmp_path / "w.safetensors", network.tensors(), model, {"seed": 1})
    again, lips_again = phone_recognizer.load_weights(out)
    x = np.random.default_rng(0).standard_normal((50, MELS)).astype(np.float32)
    known = np.random.default_rng(1).standard_normal((25, WIDTH)).astype(np.float32)
    np.testing.assert_array_equal(network.logits(x, known), again.logits(x, known))
    np.testing.assert_array_equal(model.targets, lips_again.targets)
    assert list(tmp_path.iterdir()) == [out]
    assert phone_recognizer.find_default_weights().stat().st_size < 4_000_000


def test_a_tiny_run_from_made_speech_to_weights(tmp_path):
    from lipdub.training import synthetic_speech

    if not synthetic_speech.has_flite():
        pytest.skip("flite is not installed")
    np.savez(tmp_path / "speech-2-5.npz", *synthetic_speech.synthesize_corpus(2, 7, workers=1, kinds=("flite",)))
    said: list[str] = []
    out = lip_motion.train(
        tmp_path / "out" / "w.safetensors",
        seed=5,
        workdir=tmp_path,
        threads=1,
        progress=said.append,
        options=lip_motion.LipMotionOptions(windows=2, steps=2, batch=2, channels=8),
    )
    motion = lips.predict_lip_motion(np.zeros(1600, np.float32), weights=out)
    assert not motion.values.any() and any("frames right" in line for line in said)
    assert json.loads(lip_motion.read_notes(out))["seed"] == 5


@pytest.mark.skipif(
    not __import__("lipdub.training.synthetic_speech", fromlist=["x"]).has_espeak(),
    reason="espeakng-loader is not installed",
)
def test_espeak_speaks_in_a_process_of_its_own():
    from lipdub.training import synthetic_speech

    encoded, power, phones = synthetic_speech.synthesize_corpus(2, 1, workers=1, kinds=("espeak",))
    assert (
        encoded.shape == (2, ENCODER_FRAMES, WIDTH)
        and power.shape == (2, WINDOW_FRAMES, MELS)
        and phones.shape == (2, WINDOW_FRAMES)
    )
    assert len(np.unique(phones)) > 5
