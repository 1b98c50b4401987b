"""The colours of a face, taken out of a picture and painted anew, for the face generator (`face_generator`).

A face times a gain and plus an offset per channel (another skin, another light, another camera) looks the same without
its colours. So a generator that works there cannot tell such faces apart, and treats a stranger as a face it knows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

BRIGHTNESS_BOUND = 6.0  # spreads between the skin and the darkest or lightest that is drawn; mouths lie within -5 to 4
TINT_BOUND = 0.4  # logarithm of the factor on a channel; nearly all of a mouth lies within 0.7 to 1.5
_MIN_SPREAD = 0.02  # of white: a picture of one colour stays as it is
_DARK = 0.1  # share of the skin's colour that is added before a hue is taken: black has none of its own
_BLACK = 1e-3  # of white
# In shares of the crop (`faces.alignment.full_face`): the eyes' corners lie at (0.2 and 0.8, 0.3), the lips at
# (0.5, 0.75), the chin at its lower edge.
_CHEEK = (0.17, 0.55, 0.08, 0.09)  # distance of its middle from the crop's, its height, and deviations across and down
_FACE = (0.50, 0.50, 0.26, 0.34)  # middle and reach, without hair and background
_MOUTH = (0.50, 0.78, 0.16, 0.13)  # middle and reach of what speech changes


@dataclass(frozen=True)
class SkinColours:
    """Colours of faces.

    Attributes:
        mean: (B, 3, 1, 1), mean of the cheeks.
        spread: (B, 3, 1, 1), root mean square deviation of the face from it, eyes, brows and nostrils included.
    """

    mean: torch.Tensor
    spread: torch.Tensor

    def take_out(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return pictures (B, 3, H, W) in spreads from the mean."""
        return (pictures - self.mean) / self.spread


def measure_skin(faces: torch.Tensor) -> SkinColours:
    """Measure the colours of aligned faces (B, 3, P, P). The mouth does not count, so that speech changes nothing."""
    faces = faces.float()
    cheeks, face = _weigh_pixels(faces)
    mean = (faces * cheeks).sum((2, 3), keepdim=True)
    variance = ((faces - mean).square() * face).sum((2, 3), keepdim=True)
    return SkinColours(mean, variance.sqrt().clamp(min=_MIN_SPREAD))


@dataclass(frozen=True)
class Paint:
    """What is to be drawn, unbounded.

    Attributes:
        brightness: (B, 1, H, W), in the skin's spreads from its brightness; bounded to `BRIGHTNESS_BOUND`.
        tint: (B, 3, H, W), logarithm of the factor on each channel; bounded to `TINT_BOUND`.
        skin_share: (B, 1, H, W), logit of the share that the skin has in the hue; what is covered has the rest.
    """

    brightness: torch.Tensor
    tint: torch.Tensor
    skin_share: torch.Tensor


def shade(covered: torch.Tensor, paint: Paint, skin: SkinColours) -> torch.Tensor:
    """Give the colours of what is painted over a face.

    Colours are products of light and surface. So a hue is a ratio of the channels, and a darker lip is the same lip
    times less light. With differences instead of ratios, the open mouth of a face in pink light would be violet. Teeth
    and tongue differ from the skin by a factor on each channel, which is about the same in any light. They do not have
    the hue of the lips that they appear between: those may be painted.

    Args:
        covered: (B, 3, H, W), RGB in 0..1, what is covered.
        paint: what is drawn.
        skin: colours of the face.

    Returns:
        (B, 3, H, W), RGB; where it is darker than black, below 0.
    """
    level = _mean_of_channels(skin.mean)
    spread = (skin.spread / skin.mean.clamp(min=_BLACK)).mean(1, keepdim=True)
    tint = _bound(paint.tint, TINT_BOUND)
    share = torch.sigmoid(paint.skin_share)
    hue = (1 - share) * take_hue(covered, skin).log() + share * take_hue(skin.mean, skin).log()
    hue = (hue + tint - tint.mean(1, keepdim=True)).exp()
    return level * (1 + spread * _bound(paint.brightness, BRIGHTNESS_BOUND)) * hue


def take_hue(pictures: torch.Tensor, skin: SkinColours) -> torch.Tensor:
    """Return the hue of pictures (B, 3, H, W), RGB: ratios of the channels to their mean. Black has the skin's."""
    lit = (pictures + _DARK * skin.mean).clamp(min=_BLACK)
    return lit / _mean_of_channels(lit)


def _mean_of_channels(pictures: torch.Tensor) -> torch.Tensor:
    """Give the geometric mean of the channels, (B, 1, H, W): other light on a channel changes it by one factor."""
    return pictures.clamp(min=_BLACK).log().mean(1, keepdim=True).exp()


def _bound(values: torch.Tensor, limit: float) -> torch.Tensor:
    return limit * torch.tanh(values / limit)


def _weigh_pixels(faces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the weights (P, P) of the cheeks' and of the face's pixels, each of sum 1."""
    side = torch.linspace(0, 1, faces.shape[-1], device=faces.device)
    y, x = side[:, None], side[None]
    away, down, wide, high = _CHEEK
    still = 1 - _fill(x, y, _MOUTH)
    cheeks = torch.exp(-((((x - 0.5).abs() - away) / wide).square() + ((y - down) / high).square()) / 2) * still
    face = _fill(x, y, _FACE) * still
    return cheeks / cheeks.sum(), face / face.sum()


def _fill(x: torch.Tensor, y: torch.Tensor, place: tuple[float, float, float, float]) -> torch.Tensor:
    """Fill a box with round corners and soft edges: 1 in its middle, 0 far from it."""
    return torch.exp(-(((x - place[0]) / place[2]) ** 4 + ((y - place[1]) / place[3]) ** 4))
