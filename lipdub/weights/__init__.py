"""Network weights: those that come with lipdub, published ones in the weights store, and the user's own models.

Importing this package imports nothing heavy. Only `WeightsStore.pull` uses the network.

- `shipped_files`: the weights that come with lipdub.
- `manifest`: the published files, their addresses and licences.
- `store`, `download`, `identify`: the folder of verified files, how they are fetched, and how a file is told apart.
- `file_format`, `checkpoint`: the format of a file, and its network.
- `requirement`: the weights that a method needs.
- `user_models`, `safetensors_file`, and the modules that end in `_file`: networks that were trained with lipdub.
"""

from __future__ import annotations

from lipdub.weights.shipped_files import DIGESTS_FILE, verify_shipped

__all__ = ["DIGESTS_FILE", "verify_shipped"]
