"""Where a picture that genkit drew is from: the document that its PNG file holds, and the texts that other tools read.

=====================  =================================================================================================
``genkit``             the ``Origin`` as JSON
``parameters``         what many image generators write: the prompts, and a line ``Steps: 20, CFG scale: 2, Seed: 0``
``XML:com.adobe.xmp``  XMP with IPTC's digital source type, ``trainedAlgorithmicMedia``
=====================  =================================================================================================
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, MaxLen

from genkit.errors import DataError
from genkit.files.picture_metadata import GENERATED, OWN, PARAMETERS, XMP, with_texts
from genkit.files.text import json_value
from genkit.results.documents import parse

SCHEMA = 1

_Count = Annotated[int, Ge(0), Le(1 << 62)]
_Side = Annotated[int, Ge(0), Le(1 << 20)]

Kind = Literal["sample", "interpolate", "traverse", "reconstruct", "edit", "preview", "exhibit"]
"""The command that drew a picture; a preview is a grid of training, an exhibit a sheet of an evaluation."""

ARGUMENTS = {
    "sample": frozenset({"label"}),
    "interpolate": frozenset({"steps", "walks", "label"}),
    "traverse": frozenset({"steps", "span", "label", "dims"}),
    "reconstruct": frozenset({"count", "label"}),
    "edit": frozenset(
        {"hole", "factor", "noise", "label", "steps", "starts", "prior", "perceptual", "features", "count"}
    ),
}
"""The arguments of each command that pictures say; no others, as they become options of a command to copy."""

_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/{}</Iptc4xmpExt:DigitalSourceType>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


@dataclass(frozen=True)
class Origin:
    """Where a picture is from.

    ``model`` is a qualified name, ``dataset`` the short name of its data. ``run`` is the run's id and ``run_sha256``
    the hash of its run.json, which never changes; ``checkpoint_sha256`` is that of the weights' file, as in records,
    empty where none was written. ``weights``: "ema" or "raw". ``images``: how many images training had drawn, where
    training drew the picture. ``first`` and ``count`` say which images of the drawing are in this file, from 0;
    ``size`` is the height and width of one. ``arguments`` are the command's, ``sampling`` all options of drawing.
    ``prompts`` are texts that the images of the drawing have in turn, image ``first`` the one at ``first`` modulo their
    number; of a walk, from which and to which it leads. None: there were none. ``given`` counts a person's own
    pictures that it was made of. ``composite``: it shows other pictures besides the model's. ``version`` is genkit's.
    """

    kind: Kind
    version: str
    model: str
    dataset: str
    dataset_sha256: str
    run: str
    run_sha256: str
    seed: _Count
    checkpoint: str = ""
    checkpoint_sha256: str = ""
    weights: Literal["ema", "raw"] = "ema"
    images: _Count | None = None
    first: _Count = 0
    count: _Count = 1
    size: tuple[_Side, _Side] = (0, 0)
    arguments: dict[str, str | int | float | bool | list[int] | None] = field(default_factory=dict)
    sampling: dict[str, Any] = field(default_factory=dict)
    prompts: Annotated[tuple[str, ...], MaxLen(10_000)] | None = None
    given: _Count = 0
    composite: bool = False
    device: str = ""
    torch: str = ""
    schema: int = SCHEMA

    @property
    def own_prompts(self) -> tuple[str, ...]:
        """The different prompts of the images in this file."""
        texts = self.prompts or ()
        if self.kind != "sample" or not texts:
            return tuple(dict.fromkeys(texts))
        places = range(self.first, self.first + min(self.count, len(texts)))
        return tuple(dict.fromkeys(texts[place % len(texts)] for place in places))

    def parameters(self) -> str:
        """Return the text under ``parameters``: the prompts, and a line of what is true of this model."""
        height, width = self.size
        said = {
            "Steps": self.sampling.get("steps"),
            "Sampler": self.sampling.get("sampler"),
            "CFG scale": self.sampling.get("guidance"),
            "Seed": self.seed,
            "Size": f"{width}x{height}",
            "Model hash": self.checkpoint_sha256[:10] or None,
            "Model": self.model,
            "Version": f"genkit {self.version}",
        }
        line = ", ".join(f"{key}: {value}" for key, value in said.items() if value is not None)
        return "\n".join([*self.own_prompts, line])


def stamped(png: bytes, origin: Origin | None) -> bytes:
    """Return the bytes of a PNG file with the texts that say where it is from; without an origin, as it is."""
    if origin is None:
        return png
    texts = {
        OWN: json_value(dataclasses.asdict(origin)),
        PARAMETERS: origin.parameters(),
        XMP: _PACKET.format(GENERATED[origin.composite]),
    }
    return with_texts(png, texts)


def read_origin(text: str, name: str) -> Origin:
    """Return the origin in the text of a picture's file; raises DataError, which begins with the file's ``name``."""
    what = f"{name} has a text of genkit that can't be read"
    origin = parse(Origin, text, what, SCHEMA)
    if foreign := sorted(origin.arguments.keys() - ARGUMENTS.get(origin.kind, frozenset())):
        raise DataError(f"{what}: genkit {origin.kind} has no argument {foreign[0]!r}")
    return origin
