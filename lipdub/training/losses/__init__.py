"""Losses of trainings, one a module: plain functions of arrays that give one number, the mean over the batch."""
