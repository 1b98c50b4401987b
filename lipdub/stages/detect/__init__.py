"""detect: the stage that finds shots, faces and their tracks."""
