"""EditYourself's editing on a latent diffusion transformer of the LTX family."""
