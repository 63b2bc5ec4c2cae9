"""Numerics that several metrics share."""
