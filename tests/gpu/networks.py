"""All networks of `lipdub/networks`, in small and at full size, filled by rule, with inputs that are drawn by rule.

The small sizes are those of the networks' tests. Full sizes are the published ones, or those that `lipdub train --full`
trains. The rule is that of the parity fixtures (`tests.networks.parity`), so nothing but the code travels.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tests.networks import parity
from tests.networks.published import NETWORKS, PublishedNetwork, Tensors
from tests.stages.tiny_networks import PAINT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from lipdub.networks.avsyncnet import AVSyncNetSize
    from lipdub.networks.face_generator import FaceGeneratorSize

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Case:
    """A network to compare.

    Attributes:
        name: of the network.
        size: "small" or "full".
        build: makes it, filled.
        run: computes its outputs, by name, from its inputs, by name.
        inputs: draws them.
        is_exact: lipdub runs it in float32 whatever is asked, as it picks entries of a table or points at places.
    """

    name: str
    size: str
    build: Callable[[], nn.Module]
    run: Callable[[Any, Tensors], Tensors]
    inputs: Callable[[], Tensors]
    is_exact: bool = False


@dataclass(frozen=True)
class Small:
    """A small copy of a published network.

    Attributes:
        build: makes it.
        shapes: of those inputs that are smaller than the digest's.
    """

    build: Callable[[], nn.Module]
    shapes: Shapes = field(default_factory=dict)


EXACT = {"vqfr_v1", "vqfr_v2", "vrt_dnet", "vrt_recon"}  # as `NetworkTraits.exact` of the stages that run them


def list_cases(*, tiny: bool) -> Iterator[Case]:
    """Unless ``tiny`` the full networks, and the small ones after them."""
    if not tiny:
        yield from _list_published()
        yield from _list_own(tiny=False)
    yield from _list_published_small()
    yield from _list_own(tiny=True)


def _list_published() -> Iterator[Case]:
    for name, published in NETWORKS.items():
        yield _make_case(name, "full", published, lambda n=name, p=published: parity.build_filled(n, p), {})


def _list_published_small() -> Iterator[Case]:
    for name, small in _make_small().items():
        fill = parity.digest(name)["fill"]
        yield _make_case(name, "small", NETWORKS[name], lambda s=small, f=fill: parity.fill(s.build(), f), small.shapes)


def _make_case(
    name: str, size: str, published: PublishedNetwork, build: Callable[[], nn.Module], shapes: Shapes
) -> Case:
    specs = {
        key: {**spec, "shape": shapes.get(key, spec["shape"])} for key, spec in parity.digest(name)["inputs"].items()
    }
    return Case(name, size, build, published.run, lambda: parity.draw_inputs(specs), name in EXACT)


def _make_small() -> dict[str, Small]:
    from lipdub.networks import arcface, bisenet, ganimation
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

    picture: Shapes = {"image": (1, 3, 32, 32)}
    vqfr: dict[str, Any] = {"width": 32, "multipliers": (1, 1, 2), "codes": 64, "code_dim": 32}
    return {
        "arcface_irse50": Small(lambda: arcface.ArcFace(width=16)),
        "e4e": Small(lambda: E4E(styles=14, width=16)),
        "ganimation": Small(lambda: ganimation.Ganimation(width=4, depth=2)),
        "gfpgan_v13": Small(lambda: gfpgan(size=32, style_dim=16, narrow=0.0625), picture),
        "gpen_256": Small(lambda: GPEN(32, style_dim=24, narrow=1 / 32), picture),
        "gpen_bisenet": Small(lambda: bisenet.BiSeNet(width=8)),
        "gpen_parsenet": Small(lambda: ParseNet(halvings=3, width=8, widest=16, depth=2)),
        "stylegan2_256": Small(
            lambda: StyleGAN2(16, style_dim=24, narrow=1 / 32), {"w_plus": (1, 6, 24), "z": (2, 24)}
        ),
        "syncnet_v2": Small(lambda: SyncNet(width=4, features=16)),
        "vqfr_v1": Small(lambda: VQFRv1(**vqfr), picture),
        "vqfr_v2": Small(lambda: VQFRv2(**vqfr), picture),
        "vrt_dnet": Small(lambda: DNet(descriptor=16, warp_width=4, edit_width=8, widest=16)),
        "vrt_enet": Small(lambda: ENet(LNet(width=2, blocks=1, descriptor=16), width=8, style=8)),
        "vrt_lnet": Small(lambda: LNet(width=4, blocks=2, descriptor=32)),
        "vrt_recon": Small(lambda: FaceRegressor(width=4)),
        "wav2lip": Small(lambda: Wav2Lip(width=2)),
        "wav2lip_disc": Small(lambda: QualityDiscriminator(width=4)),
        "wav2lip_syncnet": Small(lambda: SyncExpert(width=4)),
    }


# -- networks that are lipdub's own, and those of other packages


def _list_own(*, tiny: bool) -> Iterator[Case]:
    from lipdub.networks.fan import fan
    from lipdub.networks.syncnet_scorer import SyncNetScorer
    from lipdub.networks.vgg19 import VGG19

    size = "small" if tiny else "full"
    for audio in ("mel", "phonetic"):
        yield _make_avsyncnet(size, audio, tiny=tiny)
    for draws_change in (False, True):
        yield _make_generator(size, draws_change=draws_change, tiny=tiny)
    yield _make_discriminator(size, tiny=tiny)
    yield from _list_talking_face(size, tiny=tiny)
    yield from _list_face_features(size, tiny=tiny)
    yield from _list_style_lip_sync(size, tiny=tiny)
    yield from _list_stylegan(size, tiny=tiny)
    yield _make_g4g(size, tiny=tiny)
    pixels = 32 if tiny else 256
    yield Case(
        "syncnet_scorer",
        size,
        lambda: parity.fill(SyncNetScorer(2 if tiny else 32)),
        lambda network, x: _name("embedding", network(x["sounds"], x["faces"])),
        lambda: _draw(sounds=(2, 80, 16), faces=(2, 15, 48, 96)),
    )
    yield Case(
        "fan",
        size,
        lambda: parity.fill(fan(1 if tiny else 4)),
        lambda network, x: _name("heatmap", network(x["faces"])),
        lambda: _draw(faces=(1, 3, max(pixels, 64), max(pixels, 64))),
    )
    if not tiny:
        yield Case(
            "vgg19",
            size,
            lambda: parity.fill(VGG19()),
            lambda network, x: _name("map", network(x["faces"])),
            lambda: _draw(faces=(1, 3, 96, 96)),
        )


def _size_avsyncnet(audio: str, *, tiny: bool) -> AVSyncNetSize:
    from lipdub.networks.avsyncnet import AVSyncNetSize

    size = AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True) if tiny else AVSyncNetSize()
    return size if audio == "mel" else replace(size, audio=audio, audio_rows=50, audio_columns=41)


def _size_generator(*, draws_change: bool, tiny: bool) -> FaceGeneratorSize:
    from lipdub.networks.face_generator import FaceGeneratorSize

    size = FaceGeneratorSize(24, 4, 8, 16) if tiny else FaceGeneratorSize(192)
    if not draws_change:
        return size
    own_sound = 6 if tiny else 64
    return replace(size, draws_change=True, own_sound=own_sound, audio_rows=50, audio_columns=41)


def _make_avsyncnet(name: str, audio: str, *, tiny: bool) -> Case:
    from lipdub.networks.avsyncnet import AVSyncNet

    size = _size_avsyncnet(audio, tiny=tiny)
    faces = (2, 5 if size.grey else 15, size.height, size.width)
    return Case(
        f"avsyncnet_{audio}",
        name,
        lambda: parity.fill(AVSyncNet(size)),
        lambda network, x: _name("embedding", network(x["sounds"], x["faces"])),
        lambda: _draw(sounds=(2, size.audio_rows, size.audio_columns), faces=faces),
    )


def _make_generator(name: str, *, draws_change: bool, tiny: bool) -> Case:
    from lipdub.networks.face_generator import FaceGenerator, hide_lower_half

    size = _size_generator(draws_change=draws_change, tiny=tiny)
    face = (2, 3, size.pixels, size.pixels)
    sounds = {"own": (2, size.audio_rows, size.audio_columns)} if size.own_sound else {}

    def run(network: FaceGenerator, x: Tensors) -> Tensors:
        pose = hide_lower_half(x["faces"])
        return {"faces": network(x["embedding"], pose, x["references"], x.get("own"))}

    return Case(
        "face_generator_change" if draws_change else "face_generator",
        name,
        lambda: parity.fill(FaceGenerator(size), PAINT),
        run,
        lambda: _draw(embedding=(2, size.sound), faces=face, references=face, **sounds),
    )


def _make_discriminator(name: str, *, tiny: bool) -> Case:
    from lipdub.networks.face_discriminator import FaceDiscriminator

    size = _size_generator(draws_change=False, tiny=tiny)
    return Case(
        "face_discriminator",
        name,
        lambda: _seed(lambda: FaceDiscriminator(size)),  # the rule knows no spectral norm of this form
        lambda network, x: {"logit": network(x["faces"])},
        lambda: _draw(faces=(2, 3, size.pixels, size.pixels)),
    )


def _list_talking_face(name: str, *, tiny: bool) -> Iterator[Case]:
    """The generators behind AVSyncNet, which gives them the sound."""
    from lipdub.networks.avsyncnet import AVSyncNet
    from lipdub.networks.face_generator import FaceGenerator
    from lipdub.networks.talking_face import SilentLip, TalkingFace

    hears, draws = _size_avsyncnet("phonetic", tiny=tiny), _size_generator(draws_change=True, tiny=tiny)
    face, sounds = (2, 3, draws.pixels, draws.pixels), (2, hears.audio_rows, hears.audio_columns)
    draws = replace(draws, sound=hears.features)

    def build(kind: type[nn.Module]) -> nn.Module:
        return kind(parity.fill(FaceGenerator(draws), PAINT), parity.fill(AVSyncNet(hears))).eval()

    yield Case(
        "silent_lip",
        name,
        lambda: build(SilentLip),
        lambda net, x: {"faces": net(x["faces"])},
        lambda: _draw(faces=face),
    )
    yield Case(
        "talking_face",
        name,
        lambda: build(TalkingFace),
        lambda net, x: {"faces": net(x["sounds"], x["faces"], x["references"])},
        lambda: _draw(sounds=sounds, faces=face, references=face),
    )


def _list_face_features(name: str, *, tiny: bool) -> Iterator[Case]:
    from lipdub.networks.face_features import FaceFeatures, FaceTasks

    widths, pixels = ((4, 4, 6, 6), 32) if tiny else ((16, 32, 64, 96, 128), 192)
    yield Case(
        "face_features",
        name,
        lambda: parity.fill(FaceFeatures(widths)),
        lambda network, x: _name("map", network(x["faces"])),
        lambda: _draw(faces=(2, 3, pixels, pixels)),
    )
    yield Case(
        "face_tasks",
        name,
        lambda: parity.fill(FaceTasks(FaceFeatures(widths), 7)),
        lambda network, x: _name("prediction", network(x["faces"])),
        lambda: _draw(faces=(2, 3, pixels, pixels)),
    )


def _list_stylegan(name: str, *, tiny: bool) -> Iterator[Case]:
    import torch

    from lipdub.networks.landmark_heatmaps import HeatMapSize, LandmarkHeatMaps
    from lipdub.networks.latent_encoder import LatentEncoder
    from lipdub.networks.stylegan2 import StyleGAN2Size

    maps, pixels = (HeatMapSize(8, 8, 2), 32) if tiny else (HeatMapSize(), 128)
    yield Case(
        "landmark_heatmaps",
        name,
        lambda: parity.fill(LandmarkHeatMaps(maps)),
        lambda network, x: {"maps": network(x["faces"])},
        lambda: _draw(faces=(2, 3, pixels, pixels)),
    )
    size = StyleGAN2Size(16, 24, 2, 1 / 32) if tiny else StyleGAN2Size()
    yield Case(
        "latent_encoder",
        name,
        lambda: parity.fill(LatentEncoder(size, torch.zeros(size.style_dim))),
        lambda network, x: {"latents": network(x["faces"])},
        lambda: _draw(faces=(2, 3, size.pixels, size.pixels)),
    )


def _list_style_lip_sync(name: str, *, tiny: bool) -> Iterator[Case]:
    from lipdub.networks.patch_discriminator import PatchDiscriminator
    from lipdub.networks.style_lip_sync import StyleLipSync, StyleLipSyncSize
    from lipdub.networks.stylegan2 import StyleGAN2Size
    from lipdub.networks.stylegan2_discriminator import StyleDiscriminator

    decoder = StyleGAN2Size(16, 24, 2, 1 / 32) if tiny else StyleGAN2Size()
    size = StyleLipSyncSize(decoder, audio_width=2, audio_features=8) if tiny else StyleLipSyncSize()
    fill = {"leave": [r"\.kernel$"]}
    face, sounds = (2, 3, decoder.pixels, decoder.pixels), (2, 3, size.audio_rows, size.audio_columns)
    yield Case(
        "stylegan2_discriminator",
        name,
        lambda: parity.fill(StyleDiscriminator(decoder.pixels, decoder.multiplier, decoder.narrow), fill),
        lambda network, x: {"logit": network(x["faces"] * 2 - 1)},
        lambda: _draw(faces=face),
    )
    yield Case(
        "patch_discriminator",
        name,
        lambda: parity.fill(PatchDiscriminator()),
        lambda network, x: {"logits": network(x["faces"] * 2 - 1)},
        lambda: _draw(faces=face),
    )
    yield Case(
        "style_lip_sync",
        name,
        lambda: parity.fill(StyleLipSync(size), fill),
        lambda network, x: {"faces": network(x["sounds"], x["faces"], x["masks"].round(), x["references"])},
        lambda: _draw(sounds=sounds, faces=(2, 3, *face[1:]), masks=(2, 3, 1, *face[2:]), references=face),
    )


def _make_g4g(name: str, *, tiny: bool) -> Case:
    from lipdub.networks.g4g import G4G, G4GSize

    size = G4GSize(4, 2, 3, 8, audio_width=2, shows_landmarks=True, moves=2) if tiny else G4GSize()
    face = (size.height, size.breadth)
    return Case(
        "g4g",
        name,
        lambda: parity.fill(G4G(size)),
        lambda network, x: {
            "faces": network(x["sounds"], x["faces"], x["masks"].round(), x["references"], x["landmarks"]).faces
        },
        lambda: _draw(
            sounds=(2, size.audio_rows, size.audio_columns),
            faces=(2, 3, *face),
            masks=(2, 1, *face),
            references=(2, size.references, 3, *face),
            landmarks=(2, 1, *face),
        ),
    )


def _seed(build: Callable[[], nn.Module]) -> nn.Module:
    """A network with the first weights of its training."""
    import torch

    torch.manual_seed(0)
    return build()


def _draw(**shapes: tuple[int, ...]) -> Tensors:
    """Inputs in 0..1."""
    return parity.draw_inputs(
        {name: {"low": 0.0, "high": 1.0, "shape": shape, "dtype": "float32"} for name, shape in shapes.items()}
    )


def _name(stem: str, outputs: Any) -> Tensors:
    """Name the outputs of a network that gives several in a row."""
    rows = outputs if isinstance(outputs, (tuple, list)) else [outputs]
    return {f"{stem}-{number}": value for number, value in enumerate(rows)}
