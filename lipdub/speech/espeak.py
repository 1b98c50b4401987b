"""espeak-ng through its C interface (package espeakng-loader, optional: the library is under the GPL).

The library has global state and may end its process when its data are damaged: `phonemes` asks a process of
its own (`python -m`), one request each, two lines of JSON: {"voice": ..., "texts": [...]} in, a list of IPA
strings or {"error": ...} out.
"""

from __future__ import annotations

import ctypes
import functools
import json
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from lipdub.parallel import child_command, child_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_WAIT = 300  # seconds for one request


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
    """The library, once in a process: use `process_espeak`, from one thread at a time."""

    _PHONEME, _END = 7, 0
    _UTF8, _END_PAUSE = 1, 0x1000
    _IPA = 0x02

    def __init__(self) -> None:
        import espeakng_loader

        self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        # synchronous; phoneme events, IPA, and no exit() when the data are missing
        self.rate = self._lib.espeak_Initialize(2, 0, data, 0x0001 | 0x0002 | 0x8000)
        if self.rate <= 0:
            raise RuntimeError("espeak-ng could not be initialised")
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._audio: list[bytes] = []
        self._events: list[tuple[float, str]] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))
        self._callback = kind(self._collect)  # kept alive for as long as the library may call it
        self._lib.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: int | None, count: int, events: ctypes.Array) -> int:
        if samples and count > 0:
            self._audio.append(ctypes.string_at(samples, count * 2))
        i = 0
        while events[i].type != self._END:
            if events[i].type == self._PHONEME:
                name = events[i].id.string.decode("utf-8", "ignore")
                self._events.append((events[i].milliseconds / 1000.0, name))
            i += 1
        return 0

    def _take_voice(self, voice: str) -> None:
        if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice!r}")

    def speak(
        self, text: str, *, voice: str = "en-us", speed: int = 165, pitch: int = 50, span: int = 50
    ) -> tuple[np.ndarray, list[tuple[float, str]]]:
        """Speak text: sound, float32 (n,) at `rate` Hz, and (start s, IPA) of each phoneme.

        voice: an espeak voice with an optional variant ("de+f2"); speed: words a minute (80 to 450); pitch
        and span (pitch range): 0 to 100. ValueError when there is no such voice.
        """
        self._take_voice(voice)
        for parameter, value in ((1, speed), (3, pitch), (4, span)):
            self._lib.espeak_SetParameter(parameter, value, 0)
        self._audio.clear()
        self._events.clear()
        data = text.encode() + b"\0"
        self._lib.espeak_Synth(data, len(data), 0, 0, 0, self._UTF8 | self._END_PAUSE, None, None)
        self._lib.espeak_Synchronize()
        audio = np.frombuffer(b"".join(self._audio), np.int16).astype(np.float32) / 32768.0
        return audio, list(self._events)

    def phonemes(self, text: str, *, voice: str = "en-us") -> str:
        """How the text is said, in IPA with marks of stress, words apart. ValueError when there is no such
        voice.
        """
        self._take_voice(voice)
        data = ctypes.c_char_p(text.replace("\0", " ").encode())
        rest = ctypes.cast(data, ctypes.c_void_p)
        said: list[str] = []
        while rest.value:  # one clause at a time
            found = self._lib.espeak_TextToPhonemes(ctypes.byref(rest), self._UTF8, self._IPA)
            if found:
                said.append(found.decode("utf-8", "ignore"))
        return " ".join(said)


@functools.cache
def get_espeak() -> Espeak:
    """This process's one espeak-ng."""
    return Espeak()


def is_available() -> bool:
    """Whether the library is installed."""
    return find_spec("espeakng_loader") is not None


def pronounce_ipa(texts: Sequence[str], voice: str) -> list[str]:
    """How each text is said, in IPA. ValueError when there is no such voice; RuntimeError when the library
    fails.
    """
    done = subprocess.run(
        child_command("lipdub.speech.espeak"),
        input=json.dumps({"voice": voice, "texts": list(texts)}).encode() + b"\n",
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=child_environment(),
        timeout=_LONGEST_WAIT,
    )
    if done.returncode != 0 or not done.stdout:
        raise RuntimeError("espeak-ng ended unexpectedly")
    found = json.loads(done.stdout)
    if isinstance(found, dict):
        raise ValueError(found["error"])
    return [str(text) for text in found]


def _serve() -> None:
    asked = json.loads(sys.stdin.buffer.readline())
    library = get_espeak()
    try:
        found: list[str] | dict[str, str] = [library.phonemes(text, voice=asked["voice"]) for text in asked["texts"]]
    except ValueError as error:
        found = {"error": str(error)}
    sys.stdout.buffer.write(json.dumps(found).encode() + b"\n")


if __name__ == "__main__":
    _serve()
