"""The registry: what plugins offer, found by name. ``discovery`` finds it; ``specs`` and ``hookspecs`` say its form."""
