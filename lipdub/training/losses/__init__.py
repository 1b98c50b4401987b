"""Losses, one a module: functions of tensors that give one number, the mean over the batch."""
