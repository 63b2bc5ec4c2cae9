"""What an author of architectures imports: the base classes and the types of their methods.

    from genkit.models import GAN, VAE, GenerativeModel, Phase, Preset, Batch, Step, DataInfo

Building blocks are in ``genkit.models.losses``, ``layers``, ``codebook``, ``augment`` and ``likelihoods``.
"""

from genkit.data.dataset import DataInfo
from genkit.data.stream import Batch
from genkit.models.base import (
    CAPABILITIES,
    GenerativeModel,
    NoOptions,
    Phase,
    Preset,
    Schedule,
    Step,
    capabilities,
)
from genkit.models.conditions import Condition
from genkit.models.gan import GAN
from genkit.models.vae import VAE

__all__ = [
    "CAPABILITIES",
    "GAN",
    "VAE",
    "Batch",
    "Condition",
    "DataInfo",
    "GenerativeModel",
    "NoOptions",
    "Phase",
    "Preset",
    "Schedule",
    "Step",
    "capabilities",
]
