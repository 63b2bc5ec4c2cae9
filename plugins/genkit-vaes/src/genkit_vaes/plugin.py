"""What genkit-vaes offers."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import ModelSpec, hookimpl


@hookimpl
def genkit_models() -> Iterator[ModelSpec]:
    """VAE architectures."""
    yield ModelSpec(
        "vae",
        "genkit_vaes.vae:DenseVAE",
        family="vae",
        summary="The original VAE: dense layers, Gaussian or Bernoulli pixels",
        paper="arXiv:1312.6114",
        published="MNIST -89.9 nats, fixed binarisation, importance weighted; -89.8 in pythae",
    )
    yield ModelSpec(
        "conv-vae",
        "genkit_vaes.conv_vae:ConvVAE",
        family="vae",
        summary="Convolutional VAE with a likelihood of grey levels or binary pixels",
        paper="arXiv:1312.6114",
    )
    yield ModelSpec(
        "beta-vae",
        "genkit_vaes.beta_vae:BetaVAE",
        family="vae",
        summary="Convolutional VAE with weighed KL, or KL held at a capacity",
        paper="arXiv:1804.03599",
    )
    yield ModelSpec(
        "iwae",
        "genkit_vaes.iwae:IWAE",
        family="vae",
        summary="Importance weighted autoencoder: trained on the bound of several samples",
        paper="arXiv:1509.00519",
        published="MNIST -87.6 nats with K = 5 and -87.1 with K = 50, fixed binarisation; -87.9 and -86.8 in pythae",
    )
    yield ModelSpec(
        "vamp-vae",
        "genkit_vaes.vamp_vae:VampVAE",
        family="vae",
        summary="VAE whose prior is a mixture of posteriors of learned pseudo-inputs",
        paper="arXiv:1705.07120",
        published="MNIST -85.6 nats, fixed binarisation; -85.8 in pythae",
    )
    yield ModelSpec(
        "flow-vae",
        "genkit_vaes.flow_vae:FlowVAE",
        family="vae",
        summary="VAE whose prior is a normalising flow (RealNVP)",
        paper="arXiv:1605.08803",
    )
    yield ModelSpec(
        "hvae",
        "genkit_vaes.hvae:HVAE",
        family="vae",
        summary="A small VDVAE: latents on every grid from coarse to fine",
        paper="arXiv:2011.10650",
        published="CIFAR-10 2.87 bits per dimension (VDVAE, of full size)",
    )
    yield ModelSpec(
        "vae-gan",
        "genkit_vaes.vae_gan:VAEGAN",
        family="vae",
        summary="VAE with reconstructions in a discriminator's features, decoder of a GAN",
        paper="arXiv:1512.09300",
    )
    yield ModelSpec(
        "rae-gmm",
        "genkit_vaes.rae_gmm:RAE",
        family="vae",
        summary="Regularised autoencoder with a Gaussian mixture on its training codes",
        paper="arXiv:1903.12436",
    )
    yield ModelSpec(
        "vq-vae",
        "genkit_vaes.vq_vae:VQVAE",
        family="vae",
        summary="Autoencoder with codebook latents; samples draw each position alone",
        paper="arXiv:1711.00937",
    )
