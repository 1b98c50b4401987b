"""L-Net of VideoReTalking: draws the lower half of a face so that it says a window of speech.

Cheng et al., VideoReTalking (SIGGRAPH Asia 2022). Two encoders read the masked face and a reference of the same head
with a still expression. At the coarsest size, the masked stream attends to the reference by cross-attention. A decoder
of Fourier convolutions, steered by the sound, draws the face.

Checkpoint: LNet.pth, key state_dict. Its names begin with ``module.``, which is stripped; names with ``low_res``, if
any, are dropped. Source: OpenTalker/video-retalking, Apache-2.0; the weights carry terms of their training data.

Input: 16 consecutive columns of the normalised log-mel spectrogram in [-4, 4], and a 96x96 face in BGR [0, 1]. Channels
0 to 2 are the frame with its lower half zero, channels 3 to 5 the reference. Output: the whole face, BGR in (0, 1).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from lipdub.networks.blocks_adain import ConvOut, ConvStage
from lipdub.networks.blocks_conv import build_audio_encoder
from lipdub.networks.blocks_ffc import FFCResidual

LEVELS = 3  # halvings of the size


class LNet(nn.Module):
    """Mel window, masked face and reference to the talking face.

    Args:
        width: Channels of the first layer; each halving doubles them.
        blocks: Fourier residual blocks at each size of the decoder.
        descriptor: Length of the sound's vector, a multiple of 16.
    """

    def __init__(self, width: int = 64, blocks: int = 9, descriptor: int = 512) -> None:
        super().__init__()
        self.encoder = Encoder(width)
        self.decoder = Decoder(width, blocks, descriptor)
        self.audio_encoder = build_audio_encoder(descriptor // 16)

    def forward(self, mel: torch.Tensor, face: torch.Tensor) -> torch.Tensor:
        """Return faces (B, 3, 96, 96) of mel windows (B, 1, 80, 16) and faces (B, 6, 96, 96)."""
        code = self.audio_encoder(mel).flatten(1)
        masked, reference = face.split(3, 1)
        return self.decoder(self.encoder(masked, reference), code)


class Encoder(nn.Module):
    """Masked face and reference (B, 3, H, W each) to features of each size, the finest first.

    They are the masked stream's at H, H / 2 and H / 4, and those of both streams, concatenated, at H / 8.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first_inp = ConvStage(3, width, 7, spectral=True)
        self.first_ref = ConvStage(3, width, 7, spectral=True)
        for i in range(LEVELS):
            fine, coarse = width * 2**i, width * 2 ** (i + 1)
            self.add_module(f"ref_down{i}", ConvStage(fine, coarse, scale=0.5, spectral=True))
            self.add_module(f"inp_down{i}", ConvStage(fine, coarse, scale=0.5, spectral=True))
        self.ca2 = CrossTransformer(coarse)

    def forward(self, masked: torch.Tensor, reference: torch.Tensor) -> list[torch.Tensor]:
        features = [self.first_inp(masked)]
        reference = self.first_ref(reference)
        for i in range(LEVELS):
            features.append(self.get_submodule(f"inp_down{i}")(features[-1]))
            reference = self.get_submodule(f"ref_down{i}")(reference)
        features[-1] = torch.cat((self.ca2(features[-1], reference), reference), 1)
        return features


class CrossTransformer(nn.Module):
    """Pixels of one picture attend to those of another: x and y (B, channels, H, W each) to the shape of x."""

    def __init__(self, channels: int, depth: int = 2) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList((CrossAttention(channels), FeedForward(channels))) for _ in range(depth)
        )

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        size = x.shape[2:]
        tokens, others = x.flatten(2).transpose(1, 2), y.flatten(2).transpose(1, 2)
        for attention, feed in self.layers:
            tokens = tokens + attention(tokens, others)
            tokens = tokens + feed(tokens)
        return tokens.transpose(1, 2).unflatten(2, size)


class CrossAttention(nn.Module):
    """Tokens x and y (B, tokens, channels each), normalised, to values of y weighted by how x resembles itself.

    Query and key both come from x, so only the masked face decides which tokens belong together.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.normx = nn.LayerNorm(channels)
        self.normy = nn.LayerNorm(channels)
        self.fn = Heads(channels)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.fn(self.normx(x), self.normy(y))


class Heads(nn.Module):
    """Attention of several heads within x (B, tokens, channels), with the values of y."""

    def __init__(self, channels: int, heads: int = 4, size: int = 64) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, heads * size, bias=False)
        self.to_k = nn.Linear(channels, heads * size, bias=False)
        self.to_v = nn.Linear(channels, heads * size, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * size, channels))

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        query, key, value = (
            tokens.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for tokens in (self.to_q(x), self.to_k(x), self.to_v(y))
        )
        return self.to_out(functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two linear layers on each token, after a norm."""

    def __init__(self, channels: int, hidden: int = 256) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        layers = nn.ModuleDict({"0": nn.Linear(channels, hidden), "3": nn.Linear(hidden, channels)})
        self.fn = nn.ModuleDict({"net": layers})  # 1 and 2 hold nothing: activation and dropout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide, narrow = self.fn["net"].values()
        return narrow(functional.gelu(wide(self.norm(x)), approximate="tanh"))


class Decoder(nn.Module):
    """Features of the encoder and the sound's vector (B, descriptor) to a picture (B, 3, H, W) in (0, 1)."""

    def __init__(self, width: int, blocks: int, descriptor: int) -> None:
        super().__init__()
        coarse = width * 2 ** (LEVELS + 1)  # both streams
        for i in reversed(range(LEVELS)):
            fine = width * 2**i
            self.add_module(f"up{i}", ConvStage(coarse, fine, scale=2, spectral=True))
            stack = nn.ModuleDict({f"res{j}": FFCResidual(coarse, descriptor) for j in range(blocks)})
            self.add_module(f"res{i}", stack)
            self.add_module(f"jump{i}", ConvStage(fine, fine, spectral=True))
            coarse = fine
        self.final = ConvOut(width, 3, nn.Sigmoid(), spectral=True)

    def forward(self, features: list[torch.Tensor], code: torch.Tensor) -> torch.Tensor:
        *skips, x = features
        for i in reversed(range(LEVELS)):
            for block in self.get_submodule(f"res{i}").children():
                x = block(x, code)
            x = self.get_submodule(f"up{i}")(x) + self.get_submodule(f"jump{i}")(skips[i])
        return self.final(x)
