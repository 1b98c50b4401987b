"""Measures of a result, one per file: functions from arrays to numbers."""
