"""Attacks on genkit, and the judge of what became of them; ``benchmarks/attacks.py`` makes them."""
