"""Talkers that are rendered from heads with phone-shape morphs: training data whose truth is known."""
