"""Alignments: where the crop of a face lies in its frame, for each network that takes crops.

| module | crop | used by |
|---|---|---|
| `full_face` | square of the whole face, follows the head and not the jaw | talking-face models, training data |
| `lower_face` | lower half of `full_face` | AVSyncNet |
| `head` | upright square around a moving head | D-Net, L-Net |
| `ffhq` | turned square of the FFHQ data set | StyleGAN |
| `five_point` | eyes, nose and corners of the mouth at a template's places | face restorers, ArcFace |
| `three_dmm` | five points at the places of a standard face | 3DMM regressor |
| `fan` | upright square around the face | FAN |

Each has a class derived from `base.Alignment`, with the same four methods: `crop`, `to_crop`, `to_frame`, `paste`.
"""
