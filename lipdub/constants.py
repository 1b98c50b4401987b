"""Numbers that several packages share."""

from __future__ import annotations

SAMPLE_RATE_HZ = 16_000
"""Sampling rate of speech, in Hz. Every speech feature and every network that reads sound uses it."""
