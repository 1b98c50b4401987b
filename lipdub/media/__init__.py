"""Reading, patching, writing and muxing of video and sound, with times, pixel format and tags kept exactly."""
