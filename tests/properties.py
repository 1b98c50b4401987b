"""Settings of the property tests: the same examples on every run, and no limit on a loaded machine's time."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

repeatable = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
