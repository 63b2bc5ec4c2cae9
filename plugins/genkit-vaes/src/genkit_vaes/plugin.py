"""The models of genkit-vaes."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import ModelSpec, hookimpl

_MODELS = (
    ("vae", "vae:DenseVAE", "The original VAE: dense layers, Gaussian or Bernoulli pixels", "1312.6114"),
    (
        "conv-vae",
        "conv_vae:ConvVAE",
        "Convolutional VAE with a likelihood of grey levels or binary pixels",
        "1312.6114",
    ),
    ("cvae", "cvae:CVAE", "Convolutional VAE whose decoder is given a class or a caption", "1406.5298"),
    ("beta-vae", "beta_vae:BetaVAE", "Convolutional VAE with weighted KL, or KL held at a capacity", "1804.03599"),
    ("iwae", "iwae:IWAE", "Importance weighted autoencoder: trained on a bound with several samples", "1509.00519"),
    (
        "vamp-vae",
        "vamp_vae:VampVAE",
        "VAE whose prior is a mixture of posteriors of learned pseudo-inputs",
        "1705.07120",
    ),
    ("flow-vae", "flow_vae:FlowVAE", "VAE whose prior is a normalising flow (RealNVP)", "1605.08803"),
    ("hvae", "hvae:HVAE", "Small VDVAE: latents at every resolution, from coarse to fine", "2011.10650"),
    (
        "vae-gan",
        "vae_gan:VAEGAN",
        "VAE with a discriminator: reconstruction loss in its features",
        "1512.09300",
    ),
    ("rae-gmm", "rae_gmm:RAE", "Regularised autoencoder with a Gaussian mixture on its training codes", "1903.12436"),
    ("vq-vae", "vq_vae:VQVAE", "Autoencoder with codebook latents, sampled independently per position", "1711.00937"),
)

_PUBLISHED = {
    "vae": "MNIST -89.9 nats, fixed binarisation, importance weighted; -89.8 in pythae",
    "iwae": "MNIST -87.6 nats with K = 5 and -87.1 with K = 50, fixed binarisation; -87.9 and -86.8 in pythae",
    "vamp-vae": "MNIST -85.6 nats, fixed binarisation; -85.8 in pythae",
    "hvae": "CIFAR-10 2.87 bits per dimension (VDVAE, of full size)",
}
"""Published results, for orientation only: networks, budgets and evaluators differ."""


@hookimpl
def genkit_models() -> Iterator[ModelSpec]:
    """VAE architectures."""
    for name, target, summary, paper in _MODELS:
        yield ModelSpec(
            name,
            f"genkit_vaes.{target}",
            family="vae",
            summary=summary,
            paper=f"arXiv:{paper}",
            published=_PUBLISHED.get(name, ""),
        )
