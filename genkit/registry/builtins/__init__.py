"""What genkit itself offers, registered through the same hooks as plugins."""

from genkit.registry.builtins.commands import genkit_commands
from genkit.registry.builtins.datasets import genkit_datasets
from genkit.registry.builtins.engines import genkit_engines
from genkit.registry.builtins.features import genkit_features
from genkit.registry.builtins.metrics import genkit_metrics
from genkit.registry.builtins.models import genkit_models
from genkit.registry.builtins.text_encoders import genkit_text_encoders

__all__ = [
    "genkit_commands",
    "genkit_datasets",
    "genkit_engines",
    "genkit_features",
    "genkit_metrics",
    "genkit_models",
    "genkit_text_encoders",
]
