"""Network weights: those that come with lipdub, and the store of published ones that people fetch or bring.

``bundled`` finds lipdub's own; ``manifest`` knows what was published where and under which terms; ``store``
keeps verified files of it, ``download`` fetches them and ``recognise`` tells them apart; ``checkpoint`` reads
them into networks. Importing this package imports nothing heavy; only ``Store.pull`` ever uses the network.
"""

from __future__ import annotations

from lipdub.weights.shipped_files import DIGESTS_FILE, verify_shipped

__all__ = ["DIGESTS_FILE", "verify_shipped"]
