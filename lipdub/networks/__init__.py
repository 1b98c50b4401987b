"""Published networks, one per file: each is an nn.Module and imports nothing of the rest of lipdub."""
