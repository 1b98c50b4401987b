"""Speech for rendered talkers, with its phones: random sentences by random voices of flite, espeak-ng and Kokoro.

An emotion changes pitch, tempo and level. That is all it changes: the sentence and its words stay neutral.
"""

from __future__ import annotations

import functools
import random
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import EnvironmentFailure
from lipdub.speech.espeak import get_espeak
from lipdub.speech.espeak import is_available as has_espeak
from lipdub.training import synthetic_text
from lipdub.training.kokoro import STYLES, has_kokoro, speak_kokoro
from lipdub.training.phone_windows import Utterance, change_speed
from lipdub.training.speech_augmentation import normalize_level
from lipdub.training.synthetic_speech import FLITE_VOICES, has_flite, speak_espeak, speak_flite

if TYPE_CHECKING:
    from lipdub.arrays import F32

_VARIANTS = ("", "+m1", "+m3", "+m7", "+f1", "+f2", "+f3", "+f5")
_KEPT_FLITE, _KEPT_VARIANTS = ("awb",), ("+m5", "+f4")  # voices of the people that are kept apart, and of nobody else
_LEAST_SECONDS, _MOST_SECONDS = 1.0, 14.0
_KEPT_STYLE = "jf_nezumi"  # of Kokoro
_KOKORO_SHARE = 0.35  # of the sentences, where it is installed
_TRIES = 20
_LEVEL = 0.08  # root mean square of a neutral voice


@dataclass(frozen=True)
class Manner:
    """How a voice changes with an emotion: factors on pitch and tempo, and decibels of level."""

    pitch: float = 1.0
    tempo: float = 1.0
    level: float = 0.0


@dataclass(frozen=True)
class Voice:
    """A sentence and the voice that says it.

    Attributes:
        kind: "flite", "espeak" or "kokoro".
        name: voice of the synthesiser; of Kokoro two styles with a plus between them.
        text: the sentence.
        pitch: mean f0 in Hz (flite), 0 to 99 (espeak-ng), or the share of the second style (Kokoro).
        tempo: factor on the speed.
        vocal_tract: factor of a change of speed after synthesis, which shifts the formants.
        pause: seconds of silence before the speech.
    """

    kind: str
    name: str
    text: str
    pitch: float
    tempo: float
    vocal_tract: float
    pause: float


def list_kinds() -> tuple[str, ...]:
    """List the synthesisers that are installed.

    Raises:
        EnvironmentFailure: there is none.
    """
    found = (("flite", has_flite()), ("espeak", has_espeak()), ("kokoro", has_espeak() and has_kokoro()))
    kinds = tuple(kind for kind, is_there in found if is_there)
    if not kinds:
        raise EnvironmentFailure(
            "no speech synthesiser", hint="Install flite, or the package espeakng-loader (extra 'train')."
        )
    return kinds


def draw_voice(rng: random.Random, kinds: tuple[str, ...], *, is_kept: bool) -> Voice:
    """Draw a sentence and a voice.

    Args:
        rng: random numbers.
        kinds: from `list_kinds`.
        is_kept: whether the voice is one of those that are kept apart.
    """
    plain = [kind for kind in kinds if kind != "kokoro"]
    kind = "kokoro" if "kokoro" in kinds and rng.random() < _KOKORO_SHARE else rng.choice(plain)
    tract, pause = rng.uniform(0.88, 1.15), rng.uniform(0.0, 0.35)
    if kind == "flite":
        name = rng.choice(_KEPT_FLITE if is_kept else [v for v in FLITE_VOICES if v not in _KEPT_FLITE])
        pitch = rng.uniform(140, 230) if name == "slt" else rng.uniform(85, 150)
        return Voice(kind, name, synthetic_text.draw_english(rng), pitch, rng.uniform(0.8, 1.2), tract, pause)
    if kind == "kokoro":
        first, second = (_KEPT_STYLE,) * 2 if is_kept else rng.sample([s for s in STYLES if s != _KEPT_STYLE], 2)
        text, share = synthetic_text.draw_english(rng), rng.uniform(0, 0.5)
        return Voice(kind, f"{first}+{second}", text, share, rng.uniform(0.85, 1.2), tract, pause)
    language = rng.choice(synthetic_text.LANGUAGES)
    text = synthetic_text.draw_text(language, rng)
    variant = rng.choice(_KEPT_VARIANTS if is_kept else _VARIANTS)
    return Voice(kind, language + variant, text, rng.uniform(15, 85), rng.uniform(0.75, 1.2), tract, pause)


def speak(voice: Voice, manner: Manner) -> Utterance:
    """Let a voice say its sentence, with the silence before it.

    Raises:
        ValueError: the synthesiser cannot say it.
    """
    try:
        if voice.kind == "flite":
            spoken = speak_flite(
                voice.text, voice=voice.name, stretch=1 / (voice.tempo * manner.tempo), pitch=voice.pitch * manner.pitch
            )
        elif voice.kind == "kokoro":
            ipa = get_espeak().pronounce(voice.text)
            first, _, second = voice.name.partition("+")
            speed = voice.tempo * manner.tempo / manner.pitch  # the pitch is changed by speed, below
            spoken = speak_kokoro(ipa, first=first, second=second, share=voice.pitch, speed=speed)
            spoken = change_speed(spoken, manner.pitch)
        else:
            pitch = min(max(voice.pitch + 60 * (manner.pitch - 1), 0), 99)
            speed = round(165 * voice.tempo * manner.tempo)
            spoken = speak_espeak(voice.text, voice=voice.name, speed=speed, pitch=round(pitch), is_repeatable=True)
    except (subprocess.SubprocessError, RuntimeError, KeyError) as error:
        raise ValueError(f"{voice.kind} cannot say {voice.text!r}") from error
    if not _LEAST_SECONDS < len(spoken.audio) / SAMPLE_RATE_HZ < _MOST_SECONDS:
        raise ValueError(f"{voice.text!r} is too short or too long")
    spoken = change_speed(spoken, voice.vocal_tract)
    audio = normalize_level(spoken.audio) * np.float32(_LEVEL / 0.1 * 10 ** (manner.level / 20))
    return _delay(Utterance(audio.astype(np.float32), spoken.phones), voice.pause)


def _delay(spoken: Utterance, pause: float) -> Utterance:
    silence = np.zeros(round(pause * SAMPLE_RATE_HZ), np.float32)
    audio: F32 = np.concatenate([silence, spoken.audio])
    return Utterance(audio, tuple((a + pause, b + pause, phone) for a, b, phone in spoken.phones))


@functools.lru_cache(maxsize=2)  # the clips of a scene share a speech
def draw_utterance(seed: int, kinds: tuple[str, ...], manner: Manner, *, is_kept: bool = False) -> Utterance:
    """Draw an utterance: the same seed says the same with the same voice, in any manner.

    Raises:
        EnvironmentFailure: the synthesisers say nothing.
    """
    rng = random.Random(seed)
    for _ in range(_TRIES):
        voice = draw_voice(rng, kinds, is_kept=is_kept)
        try:
            return speak(voice, manner)
        except ValueError:
            continue
    raise EnvironmentFailure(f"the synthesisers {', '.join(kinds)} say nothing", hint="Check flite -t hello.")
