"""Models that calibrate a board: an exact likelihood, a perfect copy and pure noise."""
