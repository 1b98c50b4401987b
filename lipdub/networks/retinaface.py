"""RetinaFace: boxes and five points of faces.

Deng et al., RetinaFace: Single-Shot Multi-Level Face Localisation in the Wild (CVPR 2020), with a ResNet-50. The
`facexlib` package builds it and downloads nothing for it. Checkpoint `detection_Resnet50_Final.pth`: the file is the
state dict, with the prefix "module.".

Input: picture (n, 3, h, w), BGR, 0..255 less 104, 117, 123 per channel. Output in evaluation, for two anchors per cell
at strides 8, 16 and 32: boxes (n, anchors, 4) relative to the anchors, probabilities (n, anchors, 2) of background and
face, points (n, anchors, 10) relative to the anchors.

Source: xinntao/facexlib, MIT; WIDER FACE, on which the weights were trained, is for research.
"""

from __future__ import annotations

import warnings

import torch
from torch import nn

from lipdub.networks.compat import fix_torchvision


def retinaface() -> nn.Module:
    """Return the published network with fresh weights, in evaluation mode, on torch's default device."""
    fix_torchvision()
    from facexlib.detection.retinaface import RetinaFace

    with warnings.catch_warnings():
        # It uses former names of torchvision's arguments.
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        network: nn.Module = RetinaFace(network_name="resnet50", device=torch.get_default_device())
    return network
