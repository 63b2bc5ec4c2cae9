"""Training: one loop for every architecture, exact resume, run folders."""
