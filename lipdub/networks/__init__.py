"""Published networks: one per file, an nn.Module and nothing else. Imports nothing of the rest of lipdub."""
