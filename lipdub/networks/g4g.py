"""G4G's generator: features of references are moved to where a face says the speech, and decoded beside the source.

Zhang et al., "G4G: A Generic Framework for High Fidelity Talking Face Generation with Fine-grained Intra-modal
Alignment" (2024), section 3:

- encoders of the sound, the source with its lower face hidden, five references and the landmark image (Eq. 1 to 4);
- intra-modal alignment: residual blocks with AdaIN, steered by the landmarks (Eq. 5);
- inter-modal alignment: embeddings of the aligned face and of the sound, for a contrastive loss (Eq. 6 to 10,
  `training.losses.contrastive`);
- adaptive spatial transformation: rotation, scale and translation of each channel of the references' feature (Eq. 11);
- a decoder of source and moved features, composition with a Gaussian-smoothed mask, and a blend net that gives the
  whole picture instead of a residual.

There are no published weights. Crops are 13 units high and 10 wide with a mouth region of 8 by 8 units; the paper's
416 x 320 pixels with 256 x 256 are units of 32. n is the batch, H and W the sides of the crop.

Choices where the paper is silent:

- The features i_s and i_r, "concatenated by 1D convolution layers", are sequences of `POSITIONS` places of the face,
  and AdaIN's mean and deviation of a channel are those over the places. Of a vector they would be of one number.
- Norms of the convolutions over pictures are group norms: they do not depend on whose faces share the batch.
- The mask that hides the source's lower face is the caller's. The paper's is the mouth region.
- References are sorted by the opening of their mouths, the shut one first, so that a channel finds in each what it
  learnt to find there.
- `G4GSize.shows_landmarks`: the decoder also sees maps of the landmark image. All that the paper's decoder knows of the
  landmarks went through one vector, and an hour's training does not learn positions through it.
- `G4GSize.moves`: the network also moves pixels, for the paper's "moving pixels into appropriate locations" at the
  footage's own resolution. Each reference is moved by a few affine maps of Eq. 11, which masks join to one flow;
  attention chooses between the references, and decoded colours cover only what no reference shows. A flow holds for
  pictures of any size (`G4GMotion`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, grid_sample, interpolate, leaky_relu, normalize

from lipdub.networks.avsyncnet import BANDS, COLUMNS, SILENCE, make_audio_encoder

if TYPE_CHECKING:
    from collections.abc import Sequence

HEIGHT, WIDTH, MOUTH = 13, 10, 8
"""Sides of the crop and of the mouth region in units."""

MOUTH_TOP, MOUTH_LEFT = 4, 1
"""Where the mouth region begins, in units from the crop's upper left corner."""

GRID = 4
POSITIONS = GRID * GRID
"""Places of the face in the features that are aligned."""

_AUDIO_DEPTHS = (1, 2, 2, 1)
_LEAK = 0.2
_GROUPS = 8
_EPSILON = 1e-5
_FIRST_COVER = -2.0  # logit of the share with which decoded colours cover the moved pixels at first
_BLEND_WIDTH = 16
_MASK_SIGMA = 0.25  # of the smoothed mask, units
_MAX_SHIFT = 0.25  # of the crop's height: the largest flow beside the affine maps
_SEEN_ROWS, _SEEN_COLUMNS = (7, 12), (3, 7)  # units, of the references' mouths whose colours bound the decoded ones
_SEEN_POOL = 2  # pixels, whose mean is one such colour


@dataclass(frozen=True)
class G4GSize:
    """Sizes of the networks.

    Attributes:
        unit: Pixels of a unit, a multiple of 4.
        width: Channels of the first stage; the features that are moved have four times as many.
        references: Reference faces.
        features: Channels of the aligned features, and length of the embeddings.
        audio: Audio feature that is heard: "mel" or "phonetic".
        audio_rows: Rows of a window of sound.
        audio_columns: Columns of a window of sound.
        audio_width: Channels of the audio encoder's first stage.
        shows_landmarks: Whether the decoder sees maps of the landmark image.
        moves: Affine maps by which the pixels of each reference are moved; 0: none are, as in the paper.
        aligns: Whether the features are aligned (Table 2's "alignment"); without, a convolution joins them.
        deforms: Whether the references' feature is moved (Eq. 11); without it and `moves`, all is decoded from scratch.
        fuses: Whether the blend net follows the composition (Table 2's "fusion").

    Raises:
        ValueError: A size makes no sense.
    """

    unit: int = 32
    width: int = 64
    references: int = 5
    features: int = 256
    audio: str = "mel"
    audio_rows: int = BANDS
    audio_columns: int = COLUMNS
    audio_width: int = 32
    shows_landmarks: bool = False
    moves: int = 0
    aligns: bool = True
    deforms: bool = True
    fuses: bool = True

    def __post_init__(self) -> None:
        if self.unit < 4 or self.unit % 4:
            raise ValueError(f"unit must be a multiple of 4, not {self.unit}")
        if self.width < 2 or self.references < 1 or self.features < 1 or self.moves < 0:
            raise ValueError(
                f"no such size: width {self.width}, references {self.references}, features {self.features}, "
                f"moves {self.moves}"
            )
        if self.audio not in SILENCE:
            raise ValueError(f"audio is {self.audio!r}, not one of {', '.join(SILENCE)}")

    @classmethod
    def small(cls) -> G4GSize:
        """Return the size for CPUs."""
        return cls(unit=12, width=16, features=64, audio_width=16, shows_landmarks=True, moves=6)

    @property
    def height(self) -> int:
        """Height of the crop, pixels."""
        return HEIGHT * self.unit

    @property
    def breadth(self) -> int:
        """Width of the crop, pixels."""
        return WIDTH * self.unit

    @property
    def channels(self) -> int:
        """Channels of the features that are moved."""
        return 4 * self.width


class G4GMotion(NamedTuple):
    """What is done with the pixels of references and source.

    All maps are of the crop, in fractions of it, and so hold for pictures of any size.

    Attributes:
        flow: (n, R, 2, H / 2, W / 2), from where each place takes its pixel (right, down), in heights of the crop.
        attention: (n, R, H / 2, W / 2), how much each reference counts; sums to 1.
        colours: (n, 3, H, W), RGB, that cover the moved pixels (`bound_colours`).
        cover: (n, 1, H, W), 0..1, how far they do.
        moved: (n, R, 3, H, W), RGB in 0..1, each reference's moved pixels, of the crop's own size.
    """

    flow: torch.Tensor
    attention: torch.Tensor
    colours: torch.Tensor
    cover: torch.Tensor
    moved: torch.Tensor


class G4GDrawn(NamedTuple):
    """What the generator drew, and what the losses compare.

    Attributes:
        faces: (n, 3, H, W), RGB in 0..1, not clipped: after the blend net.
        decoded: (n, 3, H, W), RGB in 0..1, not clipped: before the composition.
        face_embedding: (n, features) of unit length, of the aligned face: g_v of Eq. 6.
        sound_embedding: (n, features) of unit length, of the sound: g_a of Eq. 7.
        aligned: (n, features), the aligned face as the attribute loss sees it (Eq. 12).
        landmarks: (n, features), l_r.
        motion: How pixels were moved; None where none were.
    """

    faces: torch.Tensor
    decoded: torch.Tensor
    face_embedding: torch.Tensor
    sound_embedding: torch.Tensor
    aligned: torch.Tensor
    landmarks: torch.Tensor
    motion: G4GMotion | None


class G4G(nn.Module):
    """All networks."""

    def __init__(self, size: G4GSize | None = None) -> None:
        super().__init__()
        self.size = size = size or G4GSize()
        features, channels = size.features, size.channels
        self.source_encoder = MapEncoder(3, size.width)
        self.reference_encoder = MapEncoder(3 * size.references, size.width)
        self.landmark_encoder = MapEncoder(1, max(size.width // 2, 2))
        self.source_features = PlaceEncoder(channels, features)
        self.reference_features = PlaceEncoder(channels, features)
        self.landmark_features = nn.Sequential(
            PlaceEncoder(self.landmark_encoder.channels, features),
            nn.Flatten(),
            nn.Linear(features * POSITIONS, features),
        )
        shape = (size.audio_rows, size.audio_columns)
        self.audio_encoder = make_audio_encoder(size.audio, shape, size.audio_width, _AUDIO_DEPTHS, features)
        self.alignment = IntraModalAlignment(features, aligns=size.aligns)
        self.aligned_vector = nn.Linear(features * POSITIONS, features)
        self.face_projection = nn.Linear(features, features)
        self.sound_projection = nn.Linear(features, features)
        self.transformation = AffineHead(2 * features, channels) if size.deforms else None
        shown = self.landmark_encoder.stage_channels[1:] if size.shows_landmarks else (0, 0)
        self.decoder = MapDecoder(2 * channels, size.width, shown)
        self.paint = nn.Conv2d(size.width + (3 if size.moves else 0), 4 if size.moves else 3, 3, 1, 1)
        self.movement = PixelMovement(size) if size.moves else None
        if size.moves:
            nn.init.zeros_(self.paint.weight[3:])
            nn.init.constant_(self.paint.bias[3:], _FIRST_COVER)
        self.blend = BlendNet(_BLEND_WIDTH) if size.fuses else None

    def forward(
        self,
        audio: torch.Tensor,
        sources: torch.Tensor,
        masks: torch.Tensor,
        references: torch.Tensor,
        landmarks: torch.Tensor,
    ) -> G4GDrawn:
        """Draw the faces that say the sound.

        Args:
            audio: (n, audio_rows, audio_columns), the windows of sound around the frames.
            sources: (n, 3, H, W), RGB in 0..1. What the masks hide is not seen.
            masks: (n, 1, H, W), 1 where the face is to be drawn.
            references: (n, R, 3, H, W), RGB in 0..1, sorted by the opening of their mouths.
            landmarks: (n, 1, H, W) in 0..1, landmark images of the faces to draw (`faces.landmark_image`).
        """
        size = self.size
        source = self.source_encoder((1 - masks) * (sources * 2 - 1))[-1]
        reference = self.reference_encoder(references.flatten(1, 2) * 2 - 1)[-1]
        shown = self.landmark_encoder(landmarks * 2 - 1)
        wanted = self.landmark_features(shown[-1])
        heard = self.audio_encoder(audio)
        places = self.alignment(self.source_features(source), self.reference_features(reference), wanted)
        aligned = self.aligned_vector(places.flatten(1))
        steering = torch.cat([aligned, heard], 1)
        moved = affine_warp(reference, self.transformation(steering)) if self.transformation is not None else reference
        maps = self.decoder(torch.cat([source, moved], 1), shown[1:] if size.shows_landmarks else [])
        motion = None
        if self.movement is not None:
            flow, attention = self.movement(maps[1], steering)
            moved_pixels = move_references(references, flow)
            pixels = join_references(moved_pixels, attention)
            painted = self.paint(torch.cat([maps[-1], pixels * 2 - 1], 1)).float()
            colours = bound_colours((painted[:, :3] + 1) / 2, references)
            motion = G4GMotion(flow, attention, colours, torch.sigmoid(painted[:, 3:]), moved_pixels)
            decoded = torch.lerp(pixels, motion.colours, motion.cover)
        else:
            decoded = (self.paint(maps[-1]).float() + 1) / 2
        faces = self.fuse(decoded, sources, smooth_mask(masks, _MASK_SIGMA * size.unit))
        return G4GDrawn(
            faces,
            decoded,
            normalize(self.face_projection(aligned).float(), dim=1),
            normalize(self.sound_projection(heard).float(), dim=1),
            aligned,
            wanted,
            motion,
        )

    def fuse(self, decoded: torch.Tensor, sources: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """Compose decoded faces with their sources by smooth masks (n, 1, H, W), and harmonise them."""
        composed = torch.lerp(sources, decoded, masks.to(decoded))
        return composed if self.blend is None else self.blend(composed, masks)


class ConvBlock(nn.Module):
    """Convolution, group norm, leaky ReLU: (n, inward, h, w) to (n, outward, h', w')."""

    def __init__(self, inward: int, outward: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inward, outward, kernel, stride, kernel // 2)
        self.norm = nn.GroupNorm(_count_groups(outward), outward)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return leaky_relu(self.norm(self.convolution(x)), _LEAK)


class ResidualBlock(nn.Module):
    """Two convolutions around which the input is added: (n, channels, h, w) to the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvBlock(channels, channels)
        self.second = ConvBlock(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(self.first(x))


class MapEncoder(nn.Module):
    """Maps of a picture (n, inward, H, W) at full, half and a quarter of its size.

    Attributes:
        channels: Channels of the smallest map, 4 `width`.
        stage_channels: Channels of all three.
    """

    def __init__(self, inward: int, width: int) -> None:
        super().__init__()
        self.stage_channels = (width, 2 * width, 4 * width)
        self.channels = 4 * width
        self.stages = nn.ModuleList(
            [ConvBlock(inward, width, 5), ConvBlock(width, 2 * width, 3, 2), ConvBlock(2 * width, 4 * width, 3, 2)]
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class PlaceEncoder(nn.Module):
    """Features of `POSITIONS` places of a map: (n, channels, h, w) to (n, features, POSITIONS)."""

    def __init__(self, channels: int, features: int) -> None:
        super().__init__()
        self.first = ConvBlock(channels, features, 3, 2)
        self.second = ConvBlock(features, features, 3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return adaptive_avg_pool2d(self.second(self.first(x)), GRID).flatten(2)


class IntraModalAlignment(nn.Module):
    """The source's and the references' features, aligned with the landmarks: residual blocks with AdaIN.

    Args:
        features: Channels.
        aligns: Without, plain convolutions take the place of AdaIN and see no landmarks.
    """

    def __init__(self, features: int, *, aligns: bool = True) -> None:
        super().__init__()
        self.join = nn.Conv1d(2 * features, features, 1)
        self.blocks = nn.ModuleList(AlignmentBlock(features, aligns=aligns) for _ in range(2))

    def forward(self, source: torch.Tensor, reference: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
        """Return aligned features (n, features, positions) of two such, steered by landmarks (n, features)."""
        x: torch.Tensor = self.join(torch.cat([source, reference], 1))
        for block in self.blocks:
            x = block(x, landmarks)
        return x


class AlignmentBlock(nn.Module):
    """A residual block of one-dimensional convolutions, whose means and deviations the landmarks decide."""

    def __init__(self, features: int, *, aligns: bool = True) -> None:
        super().__init__()
        self.first = nn.Conv1d(features, features, 3, padding=1)
        self.second = nn.Conv1d(features, features, 3, padding=1)
        self.styles = nn.ModuleList(nn.Linear(features, 2 * features) for _ in range(2)) if aligns else None

    def forward(self, x: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
        out = x
        for i, convolution in enumerate((self.first, self.second)):
            out = convolution(out)
            if self.styles is not None:
                deviation, mean = self.styles[i](landmarks).chunk(2, 1)
                out = adaptive_instance_norm(out, 1 + deviation, mean)
            out = leaky_relu(out, _LEAK)
        return x + out


def adaptive_instance_norm(x: torch.Tensor, deviation: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    """Compute Eq. 5: features (n, c, positions) with another deviation and mean (n, c) of each channel.

    A channel that is the same everywhere has no deviation to change, and becomes its new mean.
    """
    centred = x - x.mean(2, keepdim=True)
    spread = (centred.square().mean(2, keepdim=True) + _EPSILON).sqrt()
    return deviation[..., None] * centred / spread + mean[..., None]


class AffineHead(nn.Module):
    """Fully connected layers that give affine coefficients: (n, inward) to (n, maps, 4), see `make_affine`.

    Untrained, they change nothing.
    """

    def __init__(self, inward: int, maps: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(inward, inward)
        self.last = nn.Linear(inward, 4 * maps)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return make_affine(self.last(leaky_relu(self.hidden(x), _LEAK)).unflatten(1, (-1, 4)).float())


def make_affine(raw: torch.Tensor) -> torch.Tensor:
    """Bound raw values (..., 4) to coefficients: rotation in -pi..pi, scale in 0..2, translations in -1..1."""
    angle, scale, right, down = raw.unbind(-1)
    return torch.stack(
        [torch.pi * torch.tanh(angle), 2 * torch.sigmoid(scale), torch.tanh(right), torch.tanh(down)], -1
    )


def affine_flow(coefficients: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Compute Eq. 11: from where each place of a map takes its value.

    Coordinates are those from the map's middle, in half heights, to the right and down, so a rotation is one in pixels
    of any map.

    Args:
        coefficients: (..., 4) of `make_affine`: rotation, scale, translations in half heights.
        height: Of the map.
        width: Of the map.

    Returns:
        (..., height, width, 2).
    """
    angle, scale, right, down = (value[..., None, None] for value in coefficients.unbind(-1))
    y = ((torch.arange(height, device=coefficients.device) + 0.5) * 2 / height - 1)[:, None]
    x = ((torch.arange(width, device=coefficients.device) + 0.5) * 2 - width)[None] / height
    cosine, sine = scale * torch.cos(angle), scale * torch.sin(angle)
    return torch.stack([cosine * x - sine * y + right, sine * x + cosine * y + down], -1)


def affine_warp(features: torch.Tensor, coefficients: torch.Tensor) -> torch.Tensor:
    """Move each channel of features (n, c, h, w) by its own coefficients (n, c, 4). Beyond the edges is zero."""
    height, width = features.shape[2:]
    places = affine_flow(coefficients, height, width).flatten(0, 1)
    moved = _sample(features.flatten(0, 1)[:, None].float(), places, padding="zeros")
    return moved[:, 0].unflatten(0, features.shape[:2]).to(features)


def move_references(references: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Move the pixels of each reference.

    Args:
        references: (n, R, 3, h, w), pictures of any size.
        flow: (n, R, 2, h', w'), from where, in heights of the crop, to the right and down.

    Returns:
        (n, R, 3, h, w).
    """
    height, width = references.shape[3:]
    still = affine_flow(flow.new_tensor([0.0, 1.0, 0.0, 0.0]), height, width)
    places = still + 2 * _resize(flow.flatten(0, 1), (height, width)).permute(0, 2, 3, 1)
    moved = _sample(references.flatten(0, 1).float(), places, padding="border")
    return moved.unflatten(0, references.shape[:2])


def join_references(moved: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
    """Join moved references (n, R, 3, h, w) by an attention (n, R, h', w') that sums to 1: (n, 3, h, w)."""
    return (moved * _resize(attention, moved.shape[3:])[:, :, None]).sum(1)


def bound_colours(colours: torch.Tensor, references: torch.Tensor) -> torch.Tensor:
    """Bound colours to those that the talker's mouth shows somewhere: as bright at most, and tinted no further.

    Black and grey are always allowed, as a shut mouth shows neither its inside nor its teeth. Without a bound, strong
    colours with small shares do as well in training, and make teeth glow where the share is a little larger.

    Args:
        colours: (n, 3, H, W), RGB.
        references: (n, R, 3, H, W), RGB in 0..1.
    """
    unit = references.shape[3] // HEIGHT
    rows, columns = (slice(first * unit, last * unit) for first, last in (_SEEN_ROWS, _SEEN_COLUMNS))
    seen = avg_pool2d(references[..., rows, columns].flatten(0, 1).float(), _SEEN_POOL)
    light, *tints = split_tints(seen.unflatten(0, references.shape[:2]).transpose(1, 2).flatten(2))
    brightest = light.amax(1)[:, None, None]
    found, *tinted = split_tints(colours)
    found = torch.minimum(found.clamp(min=0), brightest)
    red, yellow = (
        torch.maximum(torch.minimum(given, tint.amax(1)[:, None, None]), tint.amin(1).clamp(max=0)[:, None, None])
        for given, tint in zip(tinted, tints, strict=True)
    )
    green = found + (yellow - red) / 3
    return torch.stack([green + red, green, green - yellow], 1)


def split_tints(colours: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Split RGB (n, 3, ...) to lightness, red less green, and green less blue, (n, ...) each."""
    red, green, blue = colours.unbind(1)
    return (red + green + blue) / 3, red - green, green - blue


def draw_at_size(
    drawn: G4GDrawn,
    crops: torch.Tensor,
    masks: torch.Tensor,
    pictures: torch.Tensor,
    references: torch.Tensor,
) -> torch.Tensor:
    """Draw the faces at another size than the network's, with moved pixels of that size.

    Flow, attention and covering colours are enlarged, the references' pixels are not. What the blend net changed is
    added as it is.

    Args:
        drawn: What the network drew, with its motion.
        crops: (n, 3, H, W), the sources as the network saw them.
        masks: (n, 1, H, W), theirs.
        pictures: (n, 3, h, w), RGB in 0..1, the sources at the other size.
        references: (n, R, 3, h, w), RGB in 0..1.

    Returns:
        (n, 3, h, w), RGB, not clipped.
    """
    motion = drawn.motion
    assert motion is not None, "a network that moves no pixels has one size"
    size = pictures.shape[2:]
    smooth = smooth_mask(masks, _MASK_SIGMA * crops.shape[2] / HEIGHT)
    moved = join_references(move_references(references, motion.flow), motion.attention)
    decoded = torch.lerp(moved, _resize(motion.colours, size), _resize(motion.cover, size))
    composed = torch.lerp(pictures, decoded, _resize(smooth, size))
    blended = drawn.faces - torch.lerp(crops, drawn.decoded, smooth)
    return composed + _resize(blended, size)


def _resize(maps: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    return interpolate(maps, tuple(size), mode="bilinear", align_corners=False)


def _sample(pictures: torch.Tensor, places: torch.Tensor, padding: str) -> torch.Tensor:
    """Sample pictures (n, c, h, w) at places (n, h, w, 2) in half heights from the middle."""
    height, width = pictures.shape[2:]
    grid = places * places.new_tensor([height / width, 1.0])
    return grid_sample(pictures, grid, mode="bilinear", padding_mode=padding, align_corners=False)


class MapDecoder(nn.Module):
    """Decodes maps of a quarter of the picture's size to maps of a quarter, half and all of it.

    Args:
        inward: Channels of the input.
        width: Channels of the largest map.
        shown: Channels of further maps, of half and a quarter of the size, that are seen too; 0 without.
    """

    def __init__(self, inward: int, width: int, shown: Sequence[int]) -> None:
        super().__init__()
        half, quarter = shown
        self.first = ConvBlock(inward + quarter, 4 * width)
        self.blocks = nn.Sequential(ResidualBlock(4 * width), ResidualBlock(4 * width))
        self.to_half = ConvBlock(4 * width + half, 2 * width)
        self.refine = ResidualBlock(2 * width)
        self.to_full = ConvBlock(2 * width, width)

    def forward(self, x: torch.Tensor, shown: Sequence[torch.Tensor] = ()) -> list[torch.Tensor]:
        """Return three maps, the largest last. `shown` are maps of half and of a quarter of the size."""
        half, quarter = (list(shown[:1]), list(shown[1:]))
        first = self.blocks(self.first(torch.cat([x, *quarter], 1)))
        second = self.refine(self.to_half(torch.cat([_enlarge(first), *half], 1)))
        return [first, second, self.to_full(_enlarge(second))]


class PixelMovement(nn.Module):
    """Flow and attention for the references' pixels: affine maps that masks join, and a bounded rest."""

    def __init__(self, size: G4GSize) -> None:
        super().__init__()
        self.references, self.moves = size.references, size.moves
        self.affine = AffineHead(2 * size.features, size.references * size.moves)
        self.masks = nn.Conv2d(2 * size.width, size.moves + size.references, 3, 1, 1)
        self.rest = nn.Conv2d(2 * size.width, 2 * size.references, 3, 1, 1)
        nn.init.zeros_(self.rest.weight)
        nn.init.zeros_(self.rest.bias)

    def forward(self, maps: torch.Tensor, steering: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return flow (n, R, 2, h, w) and attention (n, R, h, w) from maps (n, c, h, w) and (n, 2 features)."""
        height, width = maps.shape[2:]
        coefficients = self.affine(steering).unflatten(1, (self.references, self.moves))
        still = affine_flow(coefficients.new_tensor([0.0, 1.0, 0.0, 0.0]), height, width)
        moves = (affine_flow(coefficients, height, width) - still) / 2
        parts, attention = self.masks(maps).float().split([self.moves, self.references], 1)
        flow = torch.einsum("nmhw,nrmhwk->nrkhw", parts.softmax(1), moves)
        rest = _MAX_SHIFT * torch.tanh(self.rest(maps).float())
        return flow + rest.unflatten(1, (self.references, 2)), attention.softmax(1)


class BlendNet(nn.Module):
    """Fusion network: a composed face and its mask to the harmonised face, the whole of it and not a residual.

    Untrained, it gives the composed face.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, width, 3, 1, 1)
        self.middle = nn.Conv2d(width, width, 3, 1, 1)
        self.last = nn.Conv2d(width, 3, 3, 1, 1)
        for layer in (self.first, self.middle, self.last):
            keep_channels(layer, 3)

    def forward(self, faces: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """Return harmonised faces (n, 3, H, W) of composed ones and masks (n, 1, H, W)."""
        x = torch.cat([faces, masks.to(faces)], 1)
        for layer in (self.first, self.middle):
            x = leaky_relu(layer(x), _LEAK)
        return self.last(x).float()


def keep_channels(layer: nn.Conv2d, count: int) -> None:
    """Let a convolution pass on its first channels, and only those."""
    middle = layer.kernel_size[0] // 2
    assert layer.bias is not None
    with torch.no_grad():
        layer.weight[:count] = 0
        for channel in range(count):
            layer.weight[channel, channel, middle, middle] = 1
        layer.bias.zero_()


def smooth_mask(masks: torch.Tensor, sigma: float) -> torch.Tensor:
    """Smooth masks (n, 1, H, W) by a Gaussian, inside only: what is given beyond them stays given.

    Args:
        masks: 1 inside, 0 outside.
        sigma: Of the Gaussian, pixels.
    """
    reach = max(int(3 * sigma), 1)
    at = torch.arange(-reach, reach + 1, device=masks.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (at / sigma).square())
    kernel = (kernel / kernel.sum()).to(masks)
    out = nn.functional.conv2d(masks, kernel[None, None, None], padding=(0, reach))
    out = nn.functional.conv2d(out, kernel[None, None, :, None], padding=(reach, 0))
    return (2 * out - 1).clamp(0, 1) * masks


def _enlarge(x: torch.Tensor) -> torch.Tensor:
    return interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _count_groups(channels: int) -> int:
    """Return the largest number of groups, at most `_GROUPS`, that divides the channels."""
    return next(n for n in range(min(_GROUPS, channels), 0, -1) if channels % n == 0)
