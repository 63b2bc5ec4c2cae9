"""``python -m genkit``: the command line."""

from genkit.cli import main

main()
