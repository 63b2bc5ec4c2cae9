"""The document that says where a picture is from, and the texts that are made of it."""

from __future__ import annotations

import dataclasses
import io
import json

import numpy as np
import pytest
from PIL import Image

from genkit.errors import DataError
from genkit.files.picture_metadata import read_metadata
from genkit.results.origin import Origin, read_origin, stamped

ORIGIN = Origin(
    kind="sample",
    version="0.1.0",
    model="genkit-tokens:maskgit",
    dataset="digits",
    dataset_sha256="d" * 64,
    run="7f3a",
    run_sha256="a" * 64,
    seed=5,
    checkpoint="step-000000010.safetensors",
    checkpoint_sha256="0123456789abcdef" * 4,
    size=(8, 16),
    arguments={"label": "7"},
    sampling={"steps": 12, "guidance": 1.5, "top_k": 0},
    device="cpu",
)


def png():
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((8, 16), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_stamped_picture_says_where_it_is_from_in_three_ways():
    found = read_metadata(io.BytesIO(stamped(png(), ORIGIN)))
    assert read_origin(found.texts["genkit"], "a.png") == ORIGIN
    assert found.source_type == "trainedAlgorithmicMedia"
    assert found.texts["parameters"] == (
        "Steps: 12, CFG scale: 1.5, Seed: 5, Size: 16x8, Model hash: 0123456789, Model: genkit-tokens:maskgit, "
        "Version: genkit 0.1.0"
    )
    assert stamped(png(), None) == png()


def test_parameters_have_the_prompts_and_only_what_is_true_of_the_model():
    gan = dataclasses.replace(
        ORIGIN, sampling={"truncation": 1.0}, prompts=("a red 3", "a red 3"), checkpoint_sha256=""
    )
    assert gan.parameters() == "a red 3\nSeed: 5, Size: 16x8, Model: genkit-tokens:maskgit, Version: genkit 0.1.0"


def test_a_picture_with_real_images_in_it_is_composite():
    composite = stamped(png(), dataclasses.replace(ORIGIN, composite=True))
    assert read_metadata(io.BytesIO(composite)).source_type == "compositeWithTrainedAlgorithmicMedia"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"seed": -1}, "seed"),
        ({"kind": "rm -rf"}, "kind"),
        ({"first": "many"}, "first"),
        ({"size": [8]}, "size"),
        ({"arguments": {"steps": {"a": 1}}}, "arguments"),
        ({"schema": 2}, "update genkit"),
    ],
)
def test_a_forged_document_is_refused_with_the_field(change, complaint):
    text = json.dumps({**dataclasses.asdict(ORIGIN), **change})
    with pytest.raises(DataError, match=complaint):
        read_origin(text, "a.png")


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"kind": "sample"}'])
def test_what_is_no_document_is_refused(text):
    with pytest.raises(DataError, match=r"^a\.png has a text of genkit that can't be read"):
        read_origin(text, "a.png")


def test_unknown_fields_are_ignored_as_of_a_newer_genkit():
    assert read_origin(json.dumps({**dataclasses.asdict(ORIGIN), "mood": "blue"}), "a.png") == ORIGIN
