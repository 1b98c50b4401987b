"""From a speech signal to lip motion: log-mel features, phones, and lip trajectories (numpy only, no torch)."""
