"""Fine-tuning of a G4G model on the person in one video, for `lipdub adapt --recipe g4g`.

The paper (Zhang et al., 2024) has no adaptation. All networks learn the video: which of its pixels are to be moved
where, and what is between the lips. The landmarks say where the lips are, so the video's sound need not fit them. The
video is also dubbed by the built-in recipe, with silence and with other speech: such frames have landmarks as those of
dubs, and the video itself gives their references. There is no GAN loss: its discriminator would start anew, and these
minutes are too few for one.
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
from lipdub.faces.alignment.tall_face import ZOOM
from lipdub.training import shards
from lipdub.training.adaptation_data import (
    DubAdaptationOptions,
    collect_other_speech,
    cut_beginning,
    dub_clips,
    end_after,
    make_adaptation_loop,
    prepare_dataset,
)
from lipdub.training.card import collect_adaptation_notes, describe_adaptation, render_adaptation_card
from lipdub.training.face_augmentation import ONE_PERSON
from lipdub.training.face_windows import WindowSampling
from lipdub.training.g4g.generator import G4GLossWeights, G4GOptions, train_g4g
from lipdub.weights import g4g_file
from lipdub.weights.g4g_file import G4GModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def _default_training() -> G4GOptions:
    return G4GOptions(
        sampling=WindowSampling(windows=12, frames=1, face_augmentation=ONE_PERSON, cross_video_share=0.5),
        loss_weights=G4GLossWeights(
            attribute=0.1, perceptual=1.0, adversarial=0.0, pixel=4.0, contrastive=0.1, moved=2.0, cover=0.1
        ),
        loop=make_adaptation_loop(learning_rate=4e-4, clip=5.0),
    )


@dataclass(frozen=True)
class G4GAdaptationOptions(DubAdaptationOptions):
    """How a model is adapted.

    Attributes:
        training: the training of the networks. Their size and mask are the model's.
    """

    own_clip_share: float = 0.7
    training: G4GOptions = field(default_factory=_default_training)


def adapt_g4g(
    video: Path,
    base: Path,
    out: Path,
    *,
    speech: Sequence[Path] = (),
    options: G4GAdaptationOptions | None = None,
    seed: int = 0,
    threads: int = 2,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> G4GModel:
    """Fine-tune a model on the person in a video, and write it.

    Args:
        video: a person who talks, heard and seen, for two seconds or more.
        base: the model to begin with.
        out: the file to write (`weights.g4g_file`).
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
    """
    options, report = options or G4GAdaptationOptions(), progress or (lambda text: None)
    began = time.monotonic()
    torch.set_num_threads(max(threads, 1))
    model = g4g_file.load(base)
    faces = round(model.network.size.height / ZOOM)
    with tempfile.TemporaryDirectory(prefix="lipdub-adapt-") as temporary:
        folder = Path(temporary)
        learnt = cut_beginning(video, options.learnt_seconds, folder, report)
        data = prepare_dataset(learnt, folder / "faces", faces, report)
        seconds = sum(clip.frames for clip in data.clips) / shards.FPS
        sounds = collect_other_speech(learnt, speech, options.learnt_seconds, options.utterances, seed, report)
        said = np.concatenate([sound for _, sound in sounds])[: round(seconds * SAMPLE_RATE_HZ)]
        dubbed = dub_clips(data, learnt, [said], folder)
        loop = end_after(options.training.loop, options.minutes, began)
        network = train_g4g(
            "g4g",
            data.with_clips((*data.clips, *dubbed)),
            None,
            model.network,
            folder / "training",
            replace(options.training, mask=model.mask, loop=loop),
            shares=options.share_windows(data.clips, dubbed),
            lead=model.lead,
            seed=seed,
            device=device,
            progress=report,
        )
    heard = list(dict.fromkeys(name for name, _ in sounds))
    notes = {**collect_adaptation_notes(options, seed, seconds, video, speech), "heard": heard}
    adapted = G4GModel(network, model.mask, {**model.notes, "adapted": notes, "remark": describe_adaptation(notes)})
    g4g_file.save(out, adapted)
    report(f"adapted in {(time.monotonic() - began) / 60:.1f} minutes on {seconds:.1f} s of {video.name}")
    return adapted


def render_card(model: G4GModel, command: str) -> str:
    """Render the card of an adapted model, as Markdown. `command` is the command line that made it."""
    notes = model.notes["adapted"]
    facts = [f"data: {notes['seconds']:.1f} s of that video, and dubs of it with {', '.join(notes['heard'])}"]
    return render_adaptation_card(notes, command, facts)
