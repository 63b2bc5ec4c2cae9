"""What model cards say besides numbers."""

from __future__ import annotations

import dataclasses

import pytest

from genkit.registry.discovery import registry
from genkit.registry.specs import DatasetSpec, ModelSpec
from genkit.report.card import LIMITS, UNKNOWN, USE, card, code_licence, data_licence


def test_a_card_names_data_licences_use_and_limits():
    found = card("dcgan", "genkit-gans", "digits", "1,797 images 8x8 grey")
    assert found == {
        "data": "digits: 1,797 images 8x8 grey",
        "licence of the data": "CC BY 4.0",
        "licence of the model's code": "Apache-2.0",
        "intended use": USE,
        "limits": LIMITS,
    }


@pytest.mark.parametrize("dataset", ["folder-photos", "no-such", "folder:x", ""])
def test_the_licence_of_a_persons_own_images_is_said_to_be_unknown(dataset):
    assert data_licence(dataset) == UNKNOWN


def test_a_data_set_whose_spec_names_no_licence_is_unknown_too():
    assert {offer.spec.license for offer in registry().offers(DatasetSpec) if offer.spec.name == "mnist"} == {""}
    assert data_licence("mnist") == UNKNOWN


def test_the_authors_own_words_go_first(monkeypatch):
    spec = registry().find(ModelSpec, "dcgan").spec
    own = dataclasses.replace(spec, license="MIT", intended_use="textures", limits="no faces")
    monkeypatch.setattr("genkit.report.card._spec", lambda name, dist: own)
    found = card("dcgan", "genkit-gans", "digits")
    assert list(found.values())[2:] == ["MIT", "textures", "no faces"]


@pytest.mark.parametrize("dist", ["no-such-package", "", "a b", "<script>"])
def test_a_package_that_is_not_there_has_no_known_licence(dist):
    assert code_licence("dcgan", dist) == UNKNOWN
