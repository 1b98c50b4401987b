"""Fine-tuning of a StyleLipSync model on the person in one video, for `lipdub adapt --recipe stylelipsync`.

Ki and Min, "StyleLipSync: Style-based Personalized Lip-sync Video Generation" (ICCV 2023), section 4: the decoder alone
learns the video, while the encoders, the fusions and the smoothing stay as they are (Fig. 4). A decoder that only
reconstructs a few seconds stops following new sounds. The sync regularizer (Eq. 9 and 10) lets it say other speech, and
judges the result by AVSyncNet.

The paper's other speech is that of its training set. Here it is synthetic speech, as of rendered talkers, and speech
that the user gives. Where neither is at hand, it is the video's own speech from the middle on.

The video's sound must be in time with its lips, so its lag is found and taken out first. What a talker does is only
partly heard, so a decoder that learns a few seconds draws means of mouths: blurred ones that move little. The paper's
sync loss (Eq. 7) does not mend that. So a GAN loss judges the mouths, single faces of many moments are learnt, and the
video is also dubbed by the built-in recipe, with silence and with the other speech. These dubs show the talker's own
lips and teeth where the sound asks for them. Where sound and lips do not belong together, they take the place of the
video.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.metrics.avsyncnet import find_sound_windows
from lipdub.training import shards
from lipdub.training.adaptation_data import (
    DubAdaptationOptions,
    collect_other_speech,
    cut_beginning,
    dub_clips,
    end_after,
    make_adaptation_loop,
    prepare_dataset,
    retime_own_clips,
)
from lipdub.training.card import collect_adaptation_notes, describe_adaptation, render_adaptation_card
from lipdub.training.face_augmentation import ONE_PERSON
from lipdub.training.face_windows import WindowSampling
from lipdub.training.style_lip_sync.generator import (
    GeneratorTrainingOptions,
    StyleLossWeights,
    check_hearing,
    train_style_lip_sync,
)
from lipdub.weights import style_lip_sync_file
from lipdub.weights.style_lip_sync_file import StyleLipSyncModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lipdub.networks.avsyncnet import AVSyncNet

    Report = Callable[[str], None]


def _default_training() -> GeneratorTrainingOptions:
    return GeneratorTrainingOptions(
        trains="decoder",
        sampling=WindowSampling(windows=12, face_augmentation=ONE_PERSON, cross_video_share=0.3),
        loss_weights=StyleLossWeights(
            perceptual=0.5, sync=0.0, pixel=10.0, mask=3.0, lips=8.0, adversarial=0.5, sync_regularizer=0.1
        ),
        middle_faces=True,
        regularized_windows=1,
        loop=make_adaptation_loop(learning_rate=1.5e-3),
    )


@dataclass(frozen=True)
class StyleAdaptationOptions(DubAdaptationOptions):
    """How a model is adapted.

    Attributes:
        min_own_contrast: contrast from which on the video's sound fits its lips (`own_speech.SpeechFit`).
        training: the training of the decoder. Its mask is the model's.
    """

    min_own_contrast: float = 0.22
    training: GeneratorTrainingOptions = field(default_factory=_default_training)


def adapt_style_lip_sync(
    video: Path,
    base: Path,
    sync: AVSyncNet,
    out: Path,
    *,
    speech: Sequence[Path] = (),
    options: StyleAdaptationOptions | None = None,
    seed: int = 0,
    threads: int = 2,
    device: str = "cpu",
    progress: Report | None = None,
) -> StyleLipSyncModel:
    """Fine-tune the decoder of a model on the person in a video, and write it (`save_adapted`).

    Args:
        video: a person who talks, heard and seen, for two seconds or more.
        base: the whole model to begin with.
        sync: AVSyncNet, which hears what the model hears.
        out: the file to write (`weights.style_lip_sync_file`).
        speech: sound files of other speech, best the one to dub.
        options: minutes and training.
        seed: seed of all random choices.
        threads: threads of the processor.
        device: "auto", or PyTorch's name of a device.
        progress: called with one line of text now and then.

    Returns:
        the adapted model.

    Raises:
        InputError: there is no such video, or too little of a face or of sound in it.
        WeightsError: there is no such model.
        UsageError: AVSyncNet hears something else than the model.
    """
    options, report = options or StyleAdaptationOptions(), progress or (lambda text: None)
    began = time.monotonic()
    torch.set_num_threads(max(threads, 1))
    base = style_lip_sync_file.find_whole(base)
    model = style_lip_sync_file.load(base)
    size = model.network.size
    check_hearing(model.network, sync)
    most = options.learnt_seconds
    with tempfile.TemporaryDirectory(prefix="lipdub-adapt-") as temporary:
        folder = Path(temporary)
        learnt = cut_beginning(video, most, folder, report)
        data = prepare_dataset(learnt, folder / "faces", size.decoder.pixels, report)
        seconds = sum(clip.frames for clip in data.clips) / shards.FPS
        own = retime_own_clips(data, learnt, sync, model.lead, options.min_own_contrast, report)
        sounds = collect_other_speech(learnt, speech, most, options.utterances, seed, report)
        said = np.concatenate([sound for _, sound in sounds])[: round(seconds * SAMPLE_RATE_HZ)]
        dubbed = dub_clips(data, learnt, [said], folder)
        windows = find_sound_windows(sync.size)
        regularizes = options.training.loss_weights.sync_regularizer > 0
        loop = end_after(options.training.loop, options.minutes, began)
        training = replace(options.training, mask=model.mask, loop=loop)
        network = train_style_lip_sync(
            "stylelipsync",
            data.with_clips((*own, *dubbed)),
            None,
            model.network,
            sync,
            folder / "training",
            training,
            lead=model.lead,
            others=[windows.compute(sound) for _, sound in sounds] if regularizes else [],
            shares=options.share_windows(own, dubbed),
            seed=seed,
            device=device,
            progress=report,
        )
    heard = list(dict.fromkeys(name for name, _ in sounds))
    notes = {**collect_adaptation_notes(options, seed, seconds, video, speech), "heard": heard}
    adapted = StyleLipSyncModel(
        network, model.mask, {**model.notes, "adapted": notes, "remark": describe_adaptation(notes)}
    )
    style_lip_sync_file.save_adapted(out, base, adapted)
    report(f"adapted in {(time.monotonic() - began) / 60:.1f} minutes on {seconds:.1f} s of {video.name}")
    return adapted


def render_card(model: StyleLipSyncModel, command: str) -> str:
    """Render the card of an adapted model, as Markdown. `command` is the command line that made it."""
    notes = model.notes["adapted"]
    heard = ", ".join(notes["heard"])
    facts = [
        f"data: {notes['seconds']:.1f} s of that video; dubs of it and the sync regularizer heard {heard}",
        "content: where the model it began with is shipped or stored, only what the decoder differs by from that",
    ]
    return render_adaptation_card(notes, command, facts)
