"""The models of genkit-gans."""

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

_PUBLISHED = {
    "dcgan": "CIFAR-10 FID 42.7; 48.3 in StudioGAN (its last checkpoint 137)",
    "wgan-gp": "CIFAR-10 FID 16.9 to 54, by network and evaluator",
    "sngan": "CIFAR-10 FID 14.3 to 16.8, unconditional",
    "sagan": "CIFAR-10 FID 10.4; the same weights score 14.0 in another evaluator",
    "biggan-lite": "CIFAR-10 FID 4.2 (BigGAN, of full size)",
    "stylegan2-nano": "CIFAR-10 FID 2.31 (StyleGAN2-ADA, of full size)",
    "r3gan": "CIFAR-10 FID 1.96 (of full size)",
}
"""Published results, for orientation only: networks, budgets and evaluators differ."""


@hookimpl
def genkit_models() -> Iterator[ModelSpec]:
    """GAN architectures."""
    for name, target, summary, paper in _MODELS:
        yield ModelSpec(
            name,
            f"genkit_gans.{target}",
            family="gan",
            summary=summary,
            paper=f"arXiv:{paper}",
            published=_PUBLISHED.get(name, ""),
        )
