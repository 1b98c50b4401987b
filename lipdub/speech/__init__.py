"""From a speech signal to lip motion: log-mel features, phones, lip trajectories (no torch)."""
