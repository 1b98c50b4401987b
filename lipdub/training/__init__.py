"""Training of the networks this project ships; nothing here is needed to dub a video."""
