"""Results on disk: records, their protocols and fingerprints, jobs, and the stores that hold them."""
