"""Boards of genkit on a Ray cluster."""
