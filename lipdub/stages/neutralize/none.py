"""neutralize, method `none`: for methods of sync that take the faces as they are."""

from __future__ import annotations

from lipdub.stages.neutralize.method import NeutralizeMethod


class Nothing(NeutralizeMethod):
    """Tracks are measured, and nothing is drawn."""

    name = "none"
    summary = "faces as they are"


METHOD = Nothing()
