"""Latent spaces: walks, edits and the pictures of them."""
