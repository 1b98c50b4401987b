"""Metrics of a result, one per file: functions from arrays to numbers, and the `Metric` that makes a row of a score."""
