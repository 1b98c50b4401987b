"""What `score` is made of: one pass over the pictures, then one module for each thing a result is held against."""
