"""The built-in text encoders."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import TextEncoderSpec, hookimpl


@hookimpl
def genkit_text_encoders() -> Iterator[TextEncoderSpec]:
    """Text encoders."""
    yield TextEncoderSpec(
        "bytes", "genkit.models.bytes_encoder:bytes_encoder", summary="The text's bytes, trained with the model"
    )
    yield TextEncoderSpec(
        "transformers",
        "genkit.models.pretrained_text:pretrained_text",
        argument="PATH",
        summary="A language model in a local folder, frozen (extra: text)",
    )
