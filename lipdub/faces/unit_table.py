"""Unit table."""

from __future__ import annotations

# Columns of the tables.
MOTION_COLUMNS = ("opening", "width", "yaw", "pitch", "roll", "scale", "upper", "lower", "x", "y")


UNIT_COLUMNS = ("frame", *MOTION_COLUMNS[:8], "sharpness", "red", "green", "blue", "usable")
