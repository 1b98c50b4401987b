"""AVSyncNet: how well five frames of a mouth match a fifth of a second of speech.

Yaman et al., Audio-Driven Talking Face Generation with Stabilized Synchronization Loss (ECCV 2024), sections 3.4 and
3.5. An image encoder after ResNet-50 (He et al., CVPR 2016) sees the lower half of five successive faces. An audio
encoder after ResNetSE-34 (Chung et al., In Defence of Metric Learning for Speaker Recognition, 2020; squeeze and
excitation of Hu et al., CVPR 2018) sees their mel spectrogram. The cosine of the two embeddings says whether they
belong together. There are no published weights: `lipdub train sync-scorer` makes some.

Its sound is a window of an audio feature: the paper's mel spectrogram, or phonetic features, which are the same for all
voices (`speech.sound_windows`). Those have no neighbourhood among their rows, so a ResNet of convolutions over time
reads them (`PhoneticEncoder`).

Choices where the paper is silent:

- First layer "adapted for an input size of 112x224": it takes the five frames' colours as 15 channels and halves the
  width only. From there on, maps are as large as those of a 224x224 picture.
- Channels of the audio encoder: a quarter of ResNet-34's, as in the cited work. A linear layer reads its whole last map
  instead of an average over time, because synchronisation depends on where in the window a sound lies.
- Embeddings: 512 long, of any sign (no ReLU before the cosine). For the cross-entropy, a learned scale and bias turn
  the cosine into the logit of "in sync".
- Small size (`AVSyncNetSize.small`): it sees grey pictures, and brightness and contrast are removed from each stack of
  frames. With few speakers, a network cannot learn which colours do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.functional import normalize

FRAMES = 5
BANDS, COLUMNS = 80, 16  # of a mel window
SILENCE = {"mel": -4.0, "phonetic": 0.0}
"""The audio features, and the value that silence has in them."""

_PHONETIC_WIDTH = 8  # channels of the phonetic encoder for each of `audio_width`
_EXPANSION = 4  # of ResNet-50's blocks
_SQUEEZE = 8  # of ResNetSE-34's
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True)
class AVSyncNetSize:
    """Sizes of an AVSyncNet.

    Attributes:
        height: Pixels of the lower half of the face.
        width: Pixels of the face.
        image_width: Channels of the image encoder's first stage; 64 is ResNet-50. Others are multiples of it.
        image_depths: Blocks of the image encoder's stages.
        stem_stride: Stride of the image encoder's first layer, down and across.
        audio_width: Channels of the audio encoder's first stage; 16 is a quarter of ResNet-34's.
        audio_depths: Blocks of the audio encoder's stages.
        features: Length of the embeddings.
        grey: Whether it sees luma only, normalised by mean and deviation of each stack.
        audio: Audio feature that it hears: "mel" or "phonetic".
        audio_rows: Rows of a window of sound.
        audio_columns: Columns of a window of sound.

    Raises:
        ValueError: There is no such audio feature.
    """

    height: int = 112
    width: int = 224
    image_width: int = 64
    image_depths: tuple[int, ...] = (3, 4, 6, 3)
    stem_stride: tuple[int, int] = (1, 2)
    audio_width: int = 16
    audio_depths: tuple[int, ...] = (3, 4, 6, 3)
    features: int = 512
    grey: bool = False
    audio: str = field(default="mel", metadata={"added": True})
    audio_rows: int = field(default=BANDS, metadata={"added": True})
    audio_columns: int = field(default=COLUMNS, metadata={"added": True})

    def __post_init__(self) -> None:
        if self.audio not in SILENCE:
            raise ValueError(f"audio is {self.audio!r}, not one of {', '.join(SILENCE)}")

    @classmethod
    def small(cls) -> AVSyncNetSize:
        """Return the size for CPUs: 48x96 pixels, thinner and shallower."""
        return cls(48, 96, 16, (1, 2, 2, 1), (2, 2), 16, (1, 2, 2, 1), 128, grey=True)


class AVSyncNet(nn.Module):
    """Both encoders. The layers of the image encoder have torchvision's names."""

    def __init__(self, size: AVSyncNetSize | None = None) -> None:
        super().__init__()
        self.size = size = size or AVSyncNetSize()
        colours = 1 if size.grey else 3
        self.image_encoder = ImageEncoder(
            FRAMES * colours, size.image_width, size.image_depths, size.stem_stride, size.features
        )
        shape = (size.audio_rows, size.audio_columns)
        self.audio_encoder = make_audio_encoder(size.audio, shape, size.audio_width, size.audio_depths, size.features)
        self.scale = nn.Parameter(torch.tensor(10.0).log())
        self.bias = nn.Parameter(torch.tensor(-3.0))

    def image_features(self, faces: torch.Tensor) -> torch.Tensor:
        """Return the embeddings of stacks of faces.

        Args:
            faces: (B, 15, height, width) in 0..1, RGB: the lower halves of five successive faces at 25 fps, in order of
                time. A grey network also takes (B, 5, height, width) of luma.

        Returns:
            (B, features) of unit length.
        """
        return normalize(self.image_encoder(normalize_stacks(faces) if self.size.grey else faces))

    def audio_features(self, audio: torch.Tensor) -> torch.Tensor:
        """Return the embeddings of windows of sound.

        Args:
            audio: (B, audio_rows, audio_columns) around the five frames (`speech.sound_windows`). A mel window is
                (80, 16) in -4..4, and begins at the first frame.

        Returns:
            (B, features) of unit length.
        """
        return normalize(self.audio_encoder(audio))

    def forward(self, audio: torch.Tensor, faces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both embeddings, (B, features) of unit length; their inner product is the cosine, -1..1."""
        return self.audio_features(audio), self.image_features(faces)

    def make_silence(self, count: int) -> torch.Tensor:
        """Return windows of silence, (count, audio_rows, audio_columns) float32, on the network's device."""
        shape = (count, self.size.audio_rows, self.size.audio_columns)
        return self.scale.new_full(shape, SILENCE[self.size.audio])

    def logit(self, cosine: torch.Tensor) -> torch.Tensor:
        """Return the logit of "in sync" for cosines of any shape.

        Its sigmoid is the probability, where the network was trained with binary cross-entropy.
        """
        return cosine * self.scale.exp() + self.bias


def make_audio_encoder(
    audio: str, shape: tuple[int, int], width: int, depths: tuple[int, ...], features: int
) -> nn.Module:
    """Make the encoder of an audio feature: windows of sound (B, rows, columns) to (B, features).

    Args:
        audio: "mel" or "phonetic".
        shape: Rows and columns of a window.
        width: As `AVSyncNetSize.audio_width`.
        depths: Blocks of its stages.
        features: Length of the embeddings.
    """
    if audio == "mel":
        return AudioEncoder(width, depths, features)
    return PhoneticEncoder(*shape, width * _PHONETIC_WIDTH, depths, features)


def normalize_stacks(faces: torch.Tensor) -> torch.Tensor:
    """Bring stacks of faces to luma of mean 0 and deviation 1.

    Args:
        faces: (B, 15, H, W) RGB or (B, 5, H, W) luma.

    Returns:
        (B, 5, H, W).
    """
    if faces.shape[1] != FRAMES:
        faces = to_luma(faces)
    faces = faces - faces.mean((1, 2, 3), keepdim=True)
    # The epsilon is 0.2 % of white, so that a picture without contrast stays as it is.
    return faces / (faces.square().mean((1, 2, 3), keepdim=True) + 4e-6).sqrt()


def to_luma(faces: torch.Tensor) -> torch.Tensor:
    """Convert (B, 3 * n, H, W) RGB to luma (B, n, H, W)."""
    weights = faces.new_tensor(_LUMA)[:, None, None]
    return (faces.unflatten(1, (-1, 3)) * weights).sum(2)


class ImageEncoder(nn.Module):
    """ResNet with bottleneck blocks: (B, channels, H, W) to (B, features).

    Depths (3, 4, 6, 3) at width 64 are ResNet-50. All stages but the first halve the size and double the width. The
    last map is averaged.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        depths: tuple[int, ...],
        stem_stride: tuple[int, int],
        features: int,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 7, stem_stride, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.stages = len(depths)
        inward = width
        for i, depth in enumerate(depths):
            stage = nn.Sequential()
            for j in range(depth):
                stage.append(Bottleneck(inward, width << i, 2 if i and not j else 1))
                inward = (width << i) * _EXPANSION
            setattr(self, f"layer{i + 1}", stage)
        self.fc = nn.Linear(inward, features)
        _initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(torch.relu(self.bn1(self.conv1(x))))
        for i in range(self.stages):
            x = getattr(self, f"layer{i + 1}")(x)
        return self.fc(x.mean((2, 3)))


class Bottleneck(nn.Module):
    """ResNet-50's block, with the stride at its 3x3 convolution.

    Shapes: (B, inward, H, W) to (B, 4 * width, H', W').
    """

    def __init__(self, inward: int, width: int, stride: int) -> None:
        super().__init__()
        outward = width * _EXPANSION
        self.conv1 = nn.Conv2d(inward, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outward, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outward)
        self.downsample = _shortcut(inward, outward, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class AudioEncoder(nn.Module):
    """ResNet of basic blocks with squeeze and excitation: mel windows (B, 80, 16) to (B, features).

    Depths (3, 4, 6, 3) make its 34 layers. The first layer halves the bands only, the second and third stage both.
    """

    def __init__(self, width: int, depths: tuple[int, ...], features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 7, (2, 1), 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layers = nn.Sequential()
        inward, bands, columns = width, BANDS // 2, COLUMNS
        for i, depth in enumerate(depths):
            for j in range(depth):
                stride = 2 if i in (1, 2) and not j else 1
                self.layers.append(SqueezeExciteBlock(inward, width << i, stride))
                inward, bands, columns = width << i, bands // stride, columns // stride
        self.fc = nn.Linear(inward * bands * columns, features)
        _initialise(self)

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        # One channel has both layouts: PyTorch takes the quicker one where it is asked for.
        picture = mel[:, None].to(memory_format=torch.channels_last)
        x = torch.relu(self.bn1(self.conv1(picture)))
        return self.fc(self.layers(x).flatten(1))


class PhoneticEncoder(nn.Module):
    """ResNet of convolutions over time, on all rows at once: (B, rows, columns) to (B, features).

    All stages have one width. The second and third halve the columns. A linear layer reads the whole last map, because
    it matters where in the window a sound lies.
    """

    def __init__(self, rows: int, columns: int, width: int, depths: tuple[int, ...], features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(rows, width, 5, 1, 2, bias=False)
        self.bn1 = nn.BatchNorm1d(width)
        self.layers = nn.Sequential()
        for i, depth in enumerate(depths):
            for j in range(depth):
                stride = 2 if i in (1, 2) and not j else 1
                self.layers.append(TimeBlock(width, stride))
                columns = -(-columns // stride)
        self.fc = nn.Linear(width * columns, features)
        _initialise(self)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(audio)))
        return self.fc(self.layers(x).flatten(1))


class TimeBlock(nn.Module):
    """Basic block of convolutions over time: (B, width, T) to (B, width, T / stride)."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(width, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm1d(width)
        self.conv2 = nn.Conv1d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm1d(width)
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + x[:, :, :: self.stride])


class SqueezeExciteBlock(nn.Module):
    """ResNet-34's block with its sum gated by channel.

    Shapes: (B, inward, H, W) to (B, outward, H / stride, W / stride).
    """

    def __init__(self, inward: int, outward: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inward, outward, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outward)
        self.conv2 = nn.Conv2d(outward, outward, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outward)
        inside = max(outward // _SQUEEZE, 1)
        self.squeeze = nn.Conv2d(outward, inside, 1)
        self.excite = nn.Conv2d(inside, outward, 1)
        self.downsample = _shortcut(inward, outward, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y = y * torch.sigmoid(self.excite(torch.relu(self.squeeze(y.mean((2, 3), keepdim=True)))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


def _shortcut(inward: int, outward: int, stride: int) -> nn.Module | None:
    if inward == outward and stride == 1:
        return None
    return nn.Sequential(nn.Conv2d(inward, outward, 1, stride, bias=False), nn.BatchNorm2d(outward))


def _initialise(encoder: nn.Module) -> None:
    """Apply He's initialisation, as ResNets do."""
    for module in encoder.modules():
        if isinstance(module, (nn.Conv1d, nn.Conv2d)):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
