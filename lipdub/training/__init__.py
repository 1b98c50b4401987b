"""Training of the networks that this project ships. Dubbing a video needs none of it.

`registry` lists the trainable networks, `trainables` declares them, `loop` trains them.
"""
