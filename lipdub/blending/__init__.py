"""Putting a generated crop into a frame: multi-band and feather blending, colour match."""
