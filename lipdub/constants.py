"""Constants."""

from __future__ import annotations

SAMPLE_RATE_HZ = 16000  # Hz
