"""sync: crops whose mouths say the speech."""

from __future__ import annotations

from lipdub.registry import Registry
from lipdub.stages.sync.method import SyncMethod

#: The methods of sync, by name. A new one is one file and one line here.
METHODS = Registry(
    "sync method",
    SyncMethod,
    {
        "units": "lipdub.stages.sync.units:METHOD",
        "wav2lip": "lipdub.stages.sync.wav2lip:METHOD",
        "lnet": "lipdub.stages.sync.lnet:METHOD",
        "stabilized": "lipdub.stages.sync.stabilized:METHOD",
        "stylelipsync": "lipdub.stages.sync.stylelipsync:METHOD",
        "g4g": "lipdub.stages.sync.g4g:METHOD",
        "stylegan": "lipdub.stages.sync.stylegan:METHOD",
    },
)
