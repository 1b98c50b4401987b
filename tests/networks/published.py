"""The published networks that have parity fixtures: how each is built, and how its outputs are computed.

The fixtures and their committed digests share this table (`tests.networks.parity`, `tests.networks.make_digests`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import nn

from lipdub.networks import arcface, bisenet, ganimation, retinaface
from lipdub.networks.dnet import DNet
from lipdub.networks.e4e import E4E
from lipdub.networks.enet import ENet
from lipdub.networks.gfpgan import gfpgan
from lipdub.networks.gpen import GPEN
from lipdub.networks.lnet import LNet
from lipdub.networks.parsenet import ParseNet
from lipdub.networks.recon import FaceRegressor
from lipdub.networks.stylegan2 import StyleGAN2
from lipdub.networks.syncnet import SyncNet
from lipdub.networks.vqfr import VQFRv1, VQFRv2
from lipdub.networks.wav2lip import Wav2Lip
from lipdub.networks.wav2lip_disc import QualityDiscriminator
from lipdub.networks.wav2lip_sync import SyncExpert

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Tensors = dict[str, torch.Tensor]

RETINAFACE_MEAN = torch.tensor([104.0, 117.0, 123.0]).view(3, 1, 1)  # of BGR pictures, 0..255


@dataclass(frozen=True)
class PublishedNetwork:
    """A network and the outputs that its fixture stores.

    Attributes:
        build: makes the network as it was published.
        run: computes the outputs, by name, from the inputs, by name.
        sizes: input shapes for the digest where smaller ones than the fixture's do.
        is_heavy: whether it takes more than about half a second even with the digest's inputs.
    """

    build: Callable[[], nn.Module]
    run: Callable[[nn.Module, Tensors], Tensors]
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    is_heavy: bool = False


def _run_arcface(network: nn.Module, inputs: Tensors) -> Tensors:
    face = arcface.pool_face(inputs["image256"])
    return {"pooled": face, "embedding": network(face)}


def _run_bisenet(network: nn.Module, inputs: Tensors) -> Tensors:
    image = inputs["image"]
    mean, std = (image.new_tensor(values).view(3, 1, 1) for values in (bisenet.MEAN, bisenet.STD))
    logits, logits16, logits32 = network((image - mean) / std)
    return {"logits": logits, "logits16": logits16, "logits32": logits32, "labels": logits.argmax(1)}


def _run_dnet(network: nn.Module, inputs: Tensors) -> Tensors:
    output = network(inputs["source"], inputs["coeff"])
    return {"fake_image": output.image, "warp_image": output.warped, "flow_field": output.flow}


def _run_enet(network: nn.Module, inputs: Tensors) -> Tensors:
    silent = network(inputs["mel"], inputs["face"])
    noisy = network(inputs["mel"], inputs["face"], noise=1.0)
    return {"image": silent.image, "low_res": silent.low_res, "image_noise_one": noisy.image}


def _run_ganimation(network: nn.Module, inputs: Tensors) -> Tensors:
    color, attention = network(inputs["image"], inputs["aus"])
    return {"color": color, "attention": attention, "fused": ganimation.fuse(inputs["image"], color, attention)}


def _run_gfpgan(network: nn.Module, inputs: Tensors) -> Tensors:
    image, _ = network(inputs["image"], return_rgb=False, randomize_noise=False)
    return {"image": image}


def _run_parsenet(network: nn.Module, inputs: Tensors) -> Tensors:
    logits, picture = network(inputs["image"])
    return {"mask_logits": logits, "image_out": picture, "labels": logits.argmax(1)}


def _run_retinaface(network: nn.Module, inputs: Tensors) -> Tensors:
    image = inputs["image"].float()
    boxes, confidence, points = network(image - RETINAFACE_MEAN.to(image.device))
    return {"bbox": boxes, "conf": confidence, "landmarks": points}


def _run_stylegan2(network: nn.Module, inputs: Tensors) -> Tensors:
    assert isinstance(network, StyleGAN2)
    return {"image": network(inputs["w_plus"]), "w": network.mapping(inputs["z"])}


def _run_syncnet(network: nn.Module, inputs: Tensors) -> Tensors:
    assert isinstance(network, SyncNet)
    clips = inputs["lip"].float()
    audio, lips = network(inputs["mfcc"], clips)
    return {"audio_feature": audio, "lip_feature": lips, "lip_conv_feature": network.lip_features(clips)}


def _run_vqfr_v1(network: nn.Module, inputs: Tensors) -> Tensors:
    output = network(inputs["image"])
    return {"main_dec": output.image, "dec": output.texture}


def _run_vqfr_v2(network: nn.Module, inputs: Tensors) -> Tensors:
    assert isinstance(network, VQFRv2)
    features = network.encoder(inputs["image"])
    codes = network.codes(features)
    output = network.decode(codes, inputs["image"], fidelity=0.5)
    found = {"main_dec": output.image, "texture_dec": output.texture, "enc_feat": features}
    return found | {"code_index": codes.flatten(1).int()}


def _run_wav2lip(network: nn.Module, inputs: Tensors) -> Tensors:
    assert isinstance(network, Wav2Lip)
    frames = network(inputs["mel"], inputs["face"])
    return {"frames": frames, "audio_embedding": network.audio_encoder(inputs["mel"])}


def _run_wav2lip_sync(network: nn.Module, inputs: Tensors) -> Tensors:
    audio, face = network(inputs["mel"], inputs["face"])
    cosine = torch.nn.functional.cosine_similarity(audio, face)
    return {"audio_embedding": audio, "face_embedding": face, "cosine": cosine}


NETWORKS: dict[str, PublishedNetwork] = {
    "arcface_irse50": PublishedNetwork(arcface.ArcFace, _run_arcface, is_heavy=True),
    "e4e": PublishedNetwork(E4E, lambda net, x: {"w_delta": net(x["image"])}, is_heavy=True),
    "facexlib_retinaface": PublishedNetwork(
        retinaface.retinaface, _run_retinaface, {"image": (1, 3, 64, 96)}, is_heavy=True
    ),
    "ganimation": PublishedNetwork(ganimation.Ganimation, _run_ganimation, is_heavy=True),
    "gfpgan_v13": PublishedNetwork(gfpgan, _run_gfpgan, is_heavy=True),
    "gpen_256": PublishedNetwork(lambda: GPEN(256), lambda net, x: {"image": net(x["image"])}, is_heavy=True),
    "gpen_512": PublishedNetwork(lambda: GPEN(512), lambda net, x: {"image": net(x["image"])}, is_heavy=True),
    "gpen_bisenet": PublishedNetwork(bisenet.BiSeNet, _run_bisenet, {"image": (1, 3, 64, 96)}),
    "gpen_parsenet": PublishedNetwork(ParseNet, _run_parsenet, {"image": (1, 3, 64, 96)}, is_heavy=True),
    "stylegan2_256": PublishedNetwork(lambda: StyleGAN2(256), _run_stylegan2, is_heavy=True),
    "syncnet_v2": PublishedNetwork(SyncNet, _run_syncnet),
    "vqfr_v1": PublishedNetwork(VQFRv1, _run_vqfr_v1, {"image": (1, 3, 64, 64)}, is_heavy=True),
    "vqfr_v2": PublishedNetwork(VQFRv2, _run_vqfr_v2, {"image": (1, 3, 64, 64)}, is_heavy=True),
    "vrt_dnet": PublishedNetwork(DNet, _run_dnet, is_heavy=True),
    "vrt_enet": PublishedNetwork(ENet, _run_enet, is_heavy=True),
    "vrt_lnet": PublishedNetwork(LNet, lambda net, x: {"image": net(x["mel"], x["face"])}, is_heavy=True),
    "vrt_recon": PublishedNetwork(FaceRegressor, lambda net, x: {"coeff": net(x["image"])}, is_heavy=True),
    "wav2lip": PublishedNetwork(Wav2Lip, _run_wav2lip, is_heavy=True),
    "wav2lip_disc": PublishedNetwork(QualityDiscriminator, lambda net, x: {"real_probability": net(x["frames"])}),
    "wav2lip_syncnet": PublishedNetwork(SyncExpert, _run_wav2lip_sync),
}

STATE_ONLY: dict[str, Callable[[], nn.Module]] = {
    "facexlib_bisenet": bisenet.BiSeNet,
    "facexlib_parsenet": ParseNet,
}
"""Fixtures of the same networks with other checkpoints: they have the state's names and shapes and no arrays."""
