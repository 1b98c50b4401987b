"""Makes readme.png: frames of the sample before and after dubbing.

python -m tests.sample.picture
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np

import lipdub
from lipdub.media.read import read_frames

HERE = Path(__file__).resolve().parent
FRAMES = (12, 30, 44, 62, 96)
SIZE = 230


def row(video: Path, caption: str) -> np.ndarray:
    """The frames of `video`, side by side under a caption; BGR."""
    pictures = {f.index: f.picture.rgb() for f in read_frames(video, 0, max(FRAMES) + 1) if f.index in FRAMES}
    band = [cv2.resize(pictures[i][40:440, 56:456], (SIZE, SIZE), interpolation=cv2.INTER_AREA) for i in FRAMES]
    out = cv2.cvtColor(np.hstack(band), cv2.COLOR_RGB2BGR)
    cv2.putText(out, caption, (10, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2, cv2.LINE_AA)
    return out


def main() -> None:
    """Dubs the sample and writes the picture beside it."""
    with tempfile.TemporaryDirectory() as folder:
        result = lipdub.dub(HERE / "talker.mp4", HERE / "speech.wav", Path(folder) / "dub.mp4", crf=12)
        rows = [row(HERE / "talker.mp4", "as shot"), row(result.out, "dubbed")]
    cv2.imwrite(str(HERE / "readme.png"), np.vstack(rows))


if __name__ == "__main__":
    main()
