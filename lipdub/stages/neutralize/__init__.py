"""neutralize: what each talker's face does in speech, and references with the speech's motion removed."""

from __future__ import annotations

from lipdub.registry import Registry
from lipdub.stages.neutralize.method import NeutralizeMethod

#: The methods of neutralize, by name. A new one is one file and one line here.
METHODS = Registry(
    "neutralize method",
    NeutralizeMethod,
    {
        "rest": "lipdub.stages.neutralize.rest:METHOD",
        "none": "lipdub.stages.neutralize.none:METHOD",
        "dnet": "lipdub.stages.neutralize.dnet:METHOD",
        "silent-lip": "lipdub.stages.neutralize.silent_lip:METHOD",
        "style-reference": "lipdub.stages.neutralize.style_reference:METHOD",
    },
)
