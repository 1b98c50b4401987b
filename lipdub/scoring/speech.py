"""Load the speech that a result should follow, with the lip motion that it implies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.metrics.evidence import TimedSpeech

if TYPE_CHECKING:
    from pathlib import Path


def load_speech(path: Path, begins: float, origin: str) -> TimedSpeech:
    """Load a speech and predict its lip motion.

    Args:
        path: a file with sound.
        begins: seconds after the picture's first frame at which the speech begins.
        origin: description of the speech.

    Raises:
        InputError: the file has no sound.
    """
    from lipdub.media.audio import load_audio
    from lipdub.speech.lip_motion import predict_lip_motion
    from lipdub.speech.recognition import recognize

    sound = load_audio(path, rate=SAMPLE_RATE_HZ)
    motion = predict_lip_motion(sound, SAMPLE_RATE_HZ, recognition=recognize(sound))
    return TimedSpeech(sound, begins, motion.times + begins, motion.mouth, origin)


def load_own_sound(video: Path, origin: str) -> TimedSpeech | None:
    """Load a video's own sound on its own clock; None if it has none."""
    from lipdub.media.audio import probe_audio_source
    from lipdub.media.probe import probe

    facts = probe(video)
    if not facts.audio or facts.video is None:
        return None
    return load_speech(video, float(probe_audio_source(video).start - facts.video.start_time), origin)
