"""What genkit-gans offers."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import ModelSpec, hookimpl

_MODELS = (
    ("gan", "gan:OriginalGAN", "The original GAN: dense generator, convolutional discriminator", "1406.2661"),
    ("dcgan", "dcgan:DCGAN", "Deep convolutional GAN", "1511.06434"),
    ("lsgan", "lsgan:LSGAN", "DCGAN's networks with a least squares loss", "1611.04076"),
    ("wgan-gp", "wgan_gp:WGANGP", "Wasserstein GAN with gradient penalty", "1704.00028"),
    ("sngan", "sngan:SNGAN", "Residual GAN with a spectrally normalised discriminator", "1802.05957"),
    ("sagan", "sagan:SAGAN", "SNGAN with self-attention, both networks normalised", "1805.08318"),
    ("cgan", "cgan:CGAN", "Class-conditional GAN with a projection discriminator", "1802.05637"),
    ("acgan", "acgan:ACGAN", "Class-conditional GAN with an auxiliary classifier", "1610.09585"),
    ("biggan-lite", "biggan_lite:BigGANLite", "Small BigGAN: shared embedding, skip latents, attention", "1809.11096"),
    ("stylegan2-nano", "stylegan2_nano:StyleGAN2Nano", "Small StyleGAN2 with lazy regularisation", "1912.04958"),
    ("r3gan", "r3gan:R3GAN", "Relativistic GAN with two gradient penalties, no normalisation", "2501.05441"),
)


@hookimpl
def genkit_models() -> Iterator[ModelSpec]:
    """GAN architectures."""
    for name, target, summary, paper in _MODELS:
        yield ModelSpec(name, f"genkit_gans.{target}", family="gan", summary=summary, paper=f"arXiv:{paper}")
