"""Editing of faces in the latent space of a StyleGAN2, frame by frame and steered by landmarks.

Su et al., "Audio-driven High-resolution Seamless Talking Head Video Editing via StyleGAN" (2024), section III B:

- `pivotal_tuning`: the generator learns to draw the video's own frames from their latents (Eq. 4);
- `landmark_loss`: how far a picture's landmarks are from those wanted, as a difference of heat maps (Eq. 6);
- `optimisation`: latents whose pictures have the landmarks that are wanted (Eq. 5 to 7);
- `stitching`: the generator learns to meet the video's own pixels around the face (Eq. 8).

Pictures are (n, 3, P, P), RGB in -1..1, as StyleGAN2 draws them. Latents are w+: (n, L, D).
"""
