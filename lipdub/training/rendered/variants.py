"""The clips of a scene, and what tells them apart."""

VARIANTS = {
    "plain": "the person says a sentence",
    "speech": "says another sentence",
    "shut": "keeps the mouth shut, in silence",
    "camera": "is seen by a second camera",
    "emotion": "says the sentence with an acted emotion",
    "hidden": "holds a hand or a microphone before the mouth",
}
"""The clips of a scene, by name; the first is always there."""

PAIRS = tuple(VARIANTS)[1:]
"""The others."""

PLAIN, SHUT = "plain", "shut"
SAME_BUT_MOUTH = (PLAIN, "speech", SHUT)
"""The clips of a scene that show the same frames with other mouths."""
