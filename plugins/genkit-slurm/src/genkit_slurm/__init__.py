"""Boards of genkit on a Slurm cluster, by submitit."""
