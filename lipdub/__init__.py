"""lipdub: make the talker in a video say another speech track."""
