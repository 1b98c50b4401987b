"""Mouth shapes: what is measured on a face, and how a talker's face follows them.

Measures are in canonical units (distance of the eye centres = 1). The response model is linear: a talker's
canonical landmarks are ``base + gain @ (measures - rest)`` and what is left over (a smile, a crooked lip, the
identity's drift), fitted by ridge regression that leans towards a response learned elsewhere where this talker shows
too little of his own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import mesh

MEASURES = ("opening", "width")


def measure(canonical: np.ndarray) -> np.ndarray:
    """Mouth measures of canonical faces (n, 478, 3): (n, 2) inner-lip opening and corner distance."""
    upper, lower = canonical[:, mesh.INNER_UPPER[4]], canonical[:, mesh.INNER_LOWER[4]]
    opening = np.linalg.norm(lower - upper, axis=1) * np.sign(lower[:, 1] - upper[:, 1])
    width = np.linalg.norm(canonical[:, 291, :2] - canonical[:, 61, :2], axis=1)
    return np.stack([opening, width], 1)


@dataclass(frozen=True)
class Response:
    """A talker's mean face (478, 3) at mean measures (m,), and its gain (m, 478, 3) per unit of each measure."""

    base: np.ndarray
    mean: np.ndarray
    gain: np.ndarray

    def shape(self, measures: np.ndarray) -> np.ndarray:
        """Canonical faces (n, 478, 3) at measures (n, m)."""
        return self.base + np.einsum("nm,mpc->npc", measures - self.mean, self.gain)


def fit_response(canonical: np.ndarray, measures: np.ndarray, prior: np.ndarray, strength: float = 40.0) -> Response:
    """Ridge regression of landmarks on measures, shrunk towards `prior` (m, 478, 3).

    `strength` is how many frames of ordinary speech the prior counts as; a talker who hardly moves gets the prior.
    """
    base, mean = canonical.mean(0), measures.mean(0)
    x = measures - mean
    y = (canonical - base).reshape(len(x), -1)
    # Ordinary speech varies the measures by about these much (GRID): the prior's weight in the same unit.
    ordinary = np.diag(np.array([0.045, 0.035]) ** 2) * strength
    gain = np.linalg.solve(x.T @ x + ordinary, x.T @ y + ordinary @ prior.reshape(len(prior), -1))
    return Response(base, mean, gain.reshape(prior.shape))
