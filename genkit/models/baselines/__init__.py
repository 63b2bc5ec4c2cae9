"""What calibrates a board: an exact likelihood, a perfect copy, pure noise, and real images under a known harm."""
