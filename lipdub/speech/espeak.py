"""espeak-ng through its C interface (package espeakng-loader, optional: the library is under the GPL).

The library has global state and may end its process if its data are damaged. So `pronounce_ipa` runs it in a child
process (`python -m lipdub.speech.espeak`), one process for each request. The request is one line of JSON,
{"voice": ..., "texts": [...]}. The answer is one line of JSON: a list of IPA strings, or {"error": ...}.

Random numbers and waves also go on from one speech to the next: a speech depends on those before. So `speak_alone` asks
a child process too, with {"text": ..., and the other arguments of `Espeak.speak`}. The answer is [rate, events, sound].
"""

from __future__ import annotations

import base64
import ctypes
import functools
import json
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.parallel import child_command, child_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lipdub.arrays import F32

_TIMEOUT_SECONDS = 300  # for one request
_SEED = 1  # of the breath in voices
_FULL_SCALE = 32768.0  # of 16 bit samples


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):  # espeak_EVENT of speak_lib.h
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique", ctypes.c_uint),
        ("position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("milliseconds", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("id", _EventId),
    ]


class Espeak:
    """The library. Use `get_espeak`, once in a process and from one thread at a time.

    Attributes:
        rate: Sampling rate of its speech in Hz.
    """

    # of speak_lib.h
    _EVENT_LIST_TERMINATED, _EVENT_PHONEME = 0, 7
    _OUTPUT_SYNCHRONOUS = 2
    _INIT_PHONEME_EVENTS, _INIT_PHONEME_IPA, _INIT_DONT_EXIT = 0x0001, 0x0002, 0x8000
    _CHARS_UTF8, _END_PAUSE = 1, 0x1000
    _PHONEMES_IPA = 0x02
    _RATE, _PITCH, _RANGE = 1, 3, 4

    def __init__(self) -> None:
        import espeakng_loader

        self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        flags = self._INIT_PHONEME_EVENTS | self._INIT_PHONEME_IPA | self._INIT_DONT_EXIT
        self.rate: int = self._lib.espeak_Initialize(self._OUTPUT_SYNCHRONOUS, 0, data, flags)
        if self.rate <= 0:
            raise RuntimeError("espeak-ng could not be initialised")
        if hasattr(self._lib, "espeak_ng_SetRandSeed"):  # else the time of day is the seed; since espeak-ng 1.52
            self._lib.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._audio: list[bytes] = []
        self._events: list[tuple[float, str]] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))
        self._callback = kind(self._collect)  # must live as long as the library may call it
        self._lib.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: int | None, count: int, events: ctypes.Array[_Event]) -> int:
        if samples and count > 0:
            self._audio.append(ctypes.string_at(samples, count * 2))
        i = 0
        while events[i].type != self._EVENT_LIST_TERMINATED:
            if events[i].type == self._EVENT_PHONEME:
                name = events[i].id.string.decode("utf-8", "ignore")
                self._events.append((events[i].milliseconds / 1000.0, name))
            i += 1
        return 0

    def _select_voice(self, voice: str) -> None:
        if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice!r}")

    def speak(
        self, text: str, *, voice: str = "en-us", speed: int = 165, pitch: int = 50, pitch_range: int = 50
    ) -> tuple[F32, list[tuple[float, str]]]:
        """Speak a text.

        Args:
            text: The text.
            voice: A voice of espeak-ng with an optional variant ("de+f2").
            speed: Words per minute, 80 to 450.
            pitch: 0 to 100.
            pitch_range: 0 to 100.

        Returns:
            (n,) float32 sound at `rate` Hz, and (start s, IPA) of each phoneme.

        Raises:
            ValueError: There is no such voice.
        """
        self._select_voice(voice)
        for parameter, value in ((self._RATE, speed), (self._PITCH, pitch), (self._RANGE, pitch_range)):
            self._lib.espeak_SetParameter(parameter, value, 0)
        self._audio.clear()
        self._events.clear()
        data = text.encode() + b"\0"
        self._lib.espeak_Synth(data, len(data), 0, 0, 0, self._CHARS_UTF8 | self._END_PAUSE, None, None)
        self._lib.espeak_Synchronize()
        audio = np.frombuffer(b"".join(self._audio), np.int16).astype(np.float32) / _FULL_SCALE
        return audio, list(self._events)

    def pronounce(self, text: str, *, voice: str = "en-us") -> str:
        """Return the pronunciation of a text in IPA, with marks of stress and spaces between the words.

        Raises:
            ValueError: There is no such voice.
        """
        self._select_voice(voice)
        data = ctypes.c_char_p(text.replace("\0", " ").encode())
        rest = ctypes.cast(data, ctypes.c_void_p)
        clauses: list[str] = []
        while rest.value:  # one clause at a time
            phonemes = self._lib.espeak_TextToPhonemes(ctypes.byref(rest), self._CHARS_UTF8, self._PHONEMES_IPA)
            if phonemes:
                clauses.append(phonemes.decode("utf-8", "ignore"))
        return " ".join(clauses)


@functools.cache
def get_espeak() -> Espeak:
    """Return the one espeak-ng of this process."""
    return Espeak()


def is_available() -> bool:
    """Return whether the library is installed."""
    return find_spec("espeakng_loader") is not None


def pronounce_ipa(texts: Sequence[str], voice: str) -> list[str]:
    """Return the pronunciation of each text in IPA.

    Raises:
        ValueError: There is no such voice.
        RuntimeError: The library failed or did not answer.
    """
    return [str(text) for text in _ask_child({"voice": voice, "texts": list(texts)})]


def speak_alone(
    text: str, *, voice: str = "en-us", speed: int = 165, pitch: int = 50, pitch_range: int = 50
) -> tuple[F32, list[tuple[float, str]], int]:
    """Speak a text, the same each time. Arguments are those of `Espeak.speak`.

    Returns:
        (n,) float32 sound, (start s, IPA) of each phoneme, and the sampling rate in Hz.

    Raises:
        ValueError: There is no such voice.
        RuntimeError: The library failed or did not answer.
    """
    wish = {"text": text, "voice": voice, "speed": speed, "pitch": pitch, "pitch_range": pitch_range}
    rate, events, sound = _ask_child(wish)
    return np.frombuffer(base64.b64decode(sound), np.float32), [(float(a), str(b)) for a, b in events], int(rate)


def _ask_child(request: dict[str, Any]) -> list[Any]:
    """Send a request to a child process and return its answer."""
    try:
        completed = subprocess.run(
            child_command("lipdub.speech.espeak"),
            input=json.dumps(request).encode() + b"\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"espeak-ng did not answer within {_TIMEOUT_SECONDS} s") from error
    if completed.returncode != 0 or not completed.stdout:
        raise RuntimeError("espeak-ng ended unexpectedly")
    answer = json.loads(completed.stdout)
    if isinstance(answer, dict):
        raise ValueError(answer["error"])
    return list(answer)


def _serve() -> None:
    """Answer one request from standard input."""
    request = json.loads(sys.stdin.buffer.readline())
    library = get_espeak()
    answer: list[Any] | dict[str, str]
    try:
        if "texts" in request:
            answer = [library.pronounce(text, voice=request["voice"]) for text in request["texts"]]
        else:
            sound, events = library.speak(**request)
            answer = [library.rate, events, base64.b64encode(sound.tobytes()).decode()]
    except ValueError as error:
        answer = {"error": str(error)}
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    _serve()
