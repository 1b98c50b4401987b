"""The drawn sample: a video of a talker and the speech of another voice."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
TALKER = FOLDER / "talker.mp4"  # 512 x 512 pixels, 25 fps, 133 frames
SPEECH = FOLDER / "speech.wav"  # mono, 16 kHz, 4.24 s
