"""The training of G4G (Zhang et al., 2024)."""
