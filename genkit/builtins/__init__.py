"""What core itself offers, registered through the same hooks as anyone's."""

from genkit.builtins.commands import genkit_commands
from genkit.builtins.datasets import genkit_datasets
from genkit.builtins.features import genkit_features
from genkit.builtins.metrics import genkit_metrics
from genkit.builtins.models import genkit_models

__all__ = ["genkit_commands", "genkit_datasets", "genkit_features", "genkit_metrics", "genkit_models"]
