"""Faces: finding, following, aligning, measuring, masking and warping them. Arrays in, arrays out."""
