"""Baselines that calibrate a board: probabilistic PCA with its exact likelihood, copied training images, and noise."""
