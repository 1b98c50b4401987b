"""The score of a result: passes over the pictures, the metrics' evidence, rows and report."""
