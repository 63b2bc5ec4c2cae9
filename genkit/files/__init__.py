"""Files on this machine: which folders there are, and how files are written."""
