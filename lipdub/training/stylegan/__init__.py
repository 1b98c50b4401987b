"""What is trained for Su et al., "Audio-driven High-resolution Seamless Talking Head Video Editing via StyleGAN"."""
