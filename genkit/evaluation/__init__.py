"""Evaluation: one set of samples and features, all metrics, one record."""
