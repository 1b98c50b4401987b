"""D-Net of VideoReTalking: draws a face with other expression and pose coefficients.

Cheng et al., VideoReTalking (SIGGRAPH Asia 2022), after PIRenderer (Ren et al., ICCV 2021). A mapping network turns a
window of 3DMM coefficients into one vector. A warping network, steered by it, computes a flow at a quarter of the size.
An editing network, steered by it too, repairs the warped face. VideoReTalking removes the speech motion of a video with
it: every frame is drawn with the same expression template.

Checkpoint: DNet.pt, key net_G_ema. Input: one RGB face crop in -1..1 (FFHQ-like, 256x256) and 26 frames (13 before the
frame, itself, 12 after) of 73 coefficients: 64 expression, 3 angles, 3 translation, 3 crop (scale, x, y). Output: RGB
in -1..1. Source: OpenTalker/video-retalking, Apache-2.0; the weights carry terms of their training data.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from lipdub.networks.blocks_adain import SLOPE, AdaIN, ConvOut, ConvStage, LayerNorm, build_conv


class DNetOutput(NamedTuple):
    """The output of D-Net."""

    image: torch.Tensor  # (B, 3, H, W), RGB in -1..1: the edited face
    warped: torch.Tensor  # (B, 3, H, W): the source only warped
    flow: torch.Tensor  # (B, 2, H / 4, W / 4): x and y in pixels of that grid


class DNet(nn.Module):
    """Face and coefficients to the face with these coefficients.

    Args:
        coefficients: Coefficients of a frame.
        descriptor: Length of the steering vector.
        warp_width: Channels of the warping network's first layer.
        edit_width: Channels of the editing network's first layer.
        widest: Most channels of any layer of their encoders.
    """

    def __init__(
        self,
        coefficients: int = 73,
        descriptor: int = 256,
        warp_width: int = 32,
        edit_width: int = 64,
        widest: int = 256,
    ) -> None:
        super().__init__()
        self.mapping_net = Mapping(coefficients, descriptor)
        self.warpping_net = Warping(warp_width, widest, descriptor)  # spelt as in the checkpoint
        self.editing_net = Editing(edit_width, widest, descriptor)

    def forward(self, source: torch.Tensor, coefficients: torch.Tensor) -> DNetOutput:
        """Return the edited face, the warped face and the flow.

        Args:
            source: (B, 3, H, W), sizes a multiple of 32, RGB in -1..1.
            coefficients: (B, 73, 26).
        """
        code = self.mapping_net(coefficients)
        flow = self.warpping_net(source, code)
        warped = warp_by_flow(source, flow)
        return DNetOutput(self.editing_net(source, warped, code), warped, flow)


def warp_by_flow(image: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Sample a picture where a coarser flow points; it is zero outside.

    Args:
        image: (B, channels, H, W).
        flow: (B, 2, rows, columns), x and y in pixels of its own grid.
    """
    rows, columns = flow.shape[2:]
    y = torch.linspace(-1, 1, rows, dtype=flow.dtype, device=flow.device)[:, None].expand(rows, columns)
    x = torch.linspace(-1, 1, columns, dtype=flow.dtype, device=flow.device)[None, :].expand(rows, columns)
    steps = torch.tensor([columns - 1, rows - 1], dtype=flow.dtype, device=flow.device)
    where = torch.stack((x, y)) + 2 * flow / steps[:, None, None]
    where = functional.interpolate(where, size=image.shape[2:], mode="bilinear", align_corners=False)
    # The grid's ends are pixel centres, the sampler's are pixel edges. The weights were trained so.
    return functional.grid_sample(image, where.permute(0, 2, 3, 1), align_corners=False)


class Mapping(nn.Module):
    """Coefficients over time (B, coefficients, frames), 25 at least, to one vector (B, descriptor)."""

    def __init__(self, coefficients: int, descriptor: int, steps: int = 3) -> None:
        super().__init__()
        self.steps = steps
        self.first = nn.Sequential(nn.Conv1d(coefficients, descriptor, 7))
        for i in range(steps):
            step = nn.Sequential(nn.LeakyReLU(SLOPE), nn.Conv1d(descriptor, descriptor, 3, dilation=3))
            self.add_module(f"encoder{i}", step)

    def forward(self, coefficients: torch.Tensor) -> torch.Tensor:
        x = self.first(coefficients)
        for i in range(self.steps):
            x = self.get_submodule(f"encoder{i}")(x) + x[..., 3:-3]
        return x.mean(-1)


class Warping(nn.Module):
    """Face (B, 3, H, W) and vector (B, descriptor) to a flow (B, 2, H / 4, W / 4)."""

    def __init__(self, width: int, widest: int, descriptor: int) -> None:
        super().__init__()
        self.hourglass = Hourglass(width, widest, descriptor)
        last = self.hourglass.outputs
        self.flow_out = nn.Sequential(LayerNorm(last), nn.LeakyReLU(SLOPE), build_conv(last, 2, 7))

    def forward(self, source: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        return self.flow_out(self.hourglass(source, code))


class Hourglass(nn.Module):
    """Five halvings and three doublings with skips: (B, 3, H, W) to (B, outputs, H / 4, W / 4)."""

    def __init__(self, width: int, widest: int, descriptor: int, downs: int = 5, ups: int = 3) -> None:
        super().__init__()
        widths = [min(width * 2**i, widest) for i in range(downs + 1)]
        self.downs = [f"encoder{i}" for i in range(downs)]
        self.ups = [f"decoder{i}" for i in reversed(range(downs - ups, downs))]
        self.encoder = nn.ModuleDict({"input_layer": build_conv(3, width, 7)})
        for name, inputs, outputs in zip(self.downs, widths[:-1], widths[1:], strict=True):
            self.encoder[name] = HourglassDown(inputs, outputs, descriptor)
        self.decoder = nn.ModuleDict()
        inputs = widths[-1]
        for name, outputs in zip(self.ups, reversed(widths[-1 - ups : -1]), strict=True):
            self.decoder[name] = HourglassUp(inputs, outputs, descriptor)
            inputs = 2 * outputs  # its result and the encoder's of that size
        self.outputs = inputs

    def forward(self, source: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        levels = [self.encoder["input_layer"](source)]
        for name in self.downs:
            levels.append(self.encoder[name](levels[-1], code))
        x = levels.pop()
        for name in self.ups:
            x = torch.cat((self.decoder[name](x, code), levels.pop()), 1)
        return x


class HourglassDown(nn.Module):
    """Norm and convolution, twice, the first with halved size."""

    def __init__(self, inputs: int, outputs: int, descriptor: int) -> None:
        super().__init__()
        self.conv_0 = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)
        self.conv_1 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.norm_0 = AdaIN(inputs, descriptor)
        self.norm_1 = AdaIN(outputs, descriptor)

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        x = self.conv_0(functional.leaky_relu(self.norm_0(x, code), SLOPE))
        return self.conv_1(functional.leaky_relu(self.norm_1(x, code), SLOPE))


class HourglassUp(nn.Module):
    """Norm and convolution, twice, the second with doubled size, added to a shortcut of doubled size."""

    def __init__(self, inputs: int, outputs: int, descriptor: int) -> None:
        super().__init__()
        self.conv_0 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv_1 = nn.ConvTranspose2d(outputs, outputs, 3, stride=2, padding=1, output_padding=1)
        self.conv_s = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
        self.norm_0 = AdaIN(inputs, descriptor)
        self.norm_1 = AdaIN(outputs, descriptor)
        self.norm_s = AdaIN(inputs, descriptor)

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        shortcut = self.conv_s(functional.leaky_relu(self.norm_s(x, code), SLOPE))
        x = self.conv_0(functional.leaky_relu(self.norm_0(x, code), SLOPE))
        return self.conv_1(functional.leaky_relu(self.norm_1(x, code), SLOPE)) + shortcut


class Editing(nn.Module):
    """Source and warped face (B, 3, H, W each) and vector to the edited face, in -1..1."""

    def __init__(self, width: int, widest: int, descriptor: int, levels: int = 3) -> None:
        super().__init__()
        widths = [min(width * 2**i, widest) for i in range(levels + 1)]
        self.levels = levels
        self.encoder = nn.ModuleDict({"first": ConvStage(6, width, 7)})
        self.decoder = nn.ModuleDict()
        for i, (fine, coarse) in enumerate(pairwise(widths)):
            self.encoder[f"down{i}"] = ConvStage(fine, coarse, scale=0.5)
            self.decoder[f"up{i}"] = ConvStage(coarse, fine, scale=2)
            self.decoder[f"res{i}"] = nn.ModuleDict({f"res{j}": Residual(coarse, descriptor) for j in range(2)})
            self.decoder[f"jump{i}"] = ConvStage(fine, fine)
        self.decoder["final"] = ConvOut(width, 3, nn.Tanh())

    def forward(self, source: torch.Tensor, warped: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        skips = [self.encoder["first"](torch.cat((source, warped), 1))]
        for i in range(self.levels):
            skips.append(self.encoder[f"down{i}"](skips[-1]))
        x = skips.pop()
        for i in reversed(range(self.levels)):
            for residual in self.decoder.get_submodule(f"res{i}").children():
                x = residual(x, code)
            x = self.decoder[f"up{i}"](x) + self.decoder[f"jump{i}"](skips.pop())
        return self.decoder["final"](x)


class Residual(nn.Module):
    """A convolution with a steered norm, added to its input.

    The checkpoint holds one more convolution and norm (conv1, norm1). They had no effect on the result in training, and
    are here for their names only.
    """

    def __init__(self, channels: int, descriptor: int) -> None:
        super().__init__()
        self.conv1 = build_conv(channels, channels, 3)
        self.conv2 = build_conv(channels, channels, 3)
        self.norm1 = AdaIN(channels, descriptor)
        self.norm2 = AdaIN(channels, descriptor)

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        return x + self.norm2(self.conv2(x), code)
