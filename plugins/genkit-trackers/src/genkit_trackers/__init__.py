"""Trackers for genkit."""
