from __future__ import annotations

import pytest
import torch

from genkit.errors import UnknownName, UsageError
from genkit.features import load_extractor, offered_choices
from genkit.features.extractor import Extractor, FeatureRequest, offered_by, offers, require_grey_or_colour

OFFERED = {"resize": ("tf1", "bilinear"), "logits": ("unbiased", "biased")}


def test_what_is_not_asked_for_is_the_first_of_what_is_offered():
    chosen = FeatureRequest("net", choices={"resize": "bilinear"}).complete(OFFERED).choices
    assert chosen == {"resize": "bilinear", "logits": "unbiased"}


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            {"resise": "tf1"},
            "net has no choice 'resise'. Did you mean 'resize'?  (choices: resize, logits; protocols that fit: "
            "genkit, torch-fidelity, stylegan3)",
        ),
        ({"resize": "tf2"}, "net has no resize 'tf2': choose tf1, bilinear"),
    ],
)
def test_what_is_not_offered_is_refused(choices, message):
    with pytest.raises(UsageError) as caught:
        FeatureRequest("net", choices=choices).complete(OFFERED)
    assert str(caught.value) == message


def test_an_extractor_without_choices_refuses_them():
    with pytest.raises(UsageError, match="digits-cnn has no choice 'resize'"):
        load_extractor("digits-cnn", choices={"resize": "tf1"})


@pytest.mark.parametrize("shape", [(2, 8, 8), (4, 8, 8), (8, 8)])
def test_shapes_that_are_no_images_are_refused(shape):
    with pytest.raises(UsageError, match="net takes grey or colour images"):
        require_grey_or_colour("net", shape)


def test_an_extractor_without_choices_says_with_which_protocols_it_goes():
    request = FeatureRequest("plain", choices={"resize": "bilinear"})
    with pytest.raises(UsageError) as refused:
        request.complete({})
    assert "protocols that fit" in str(refused.value)


def test_it_tells_after_each_batch_how_many_images_are_done():
    extractor = load_extractor("random-conv")
    extractor.batch = 4
    done = []
    extractor(torch.zeros(10, 1, 8, 8, dtype=torch.uint8), done.append)
    assert done == [4, 8, 10]


def test_an_extractors_function_gets_complete_requests_and_says_what_it_offers():
    @offers(**OFFERED)
    def net(request):
        return dict(request.choices)

    assert net(FeatureRequest("net", choices={"logits": "biased"})) == {"resize": "tf1", "logits": "biased"}
    assert offered_by(net) == OFFERED
    with pytest.raises(UsageError, match="net has no logits 'odd'"):
        net(FeatureRequest("net", choices={"logits": "odd"}))
    assert offered_by(lambda request: None) == {}


def test_what_an_extractor_offers_is_known_without_its_weights():
    assert list(offered_choices("inception-64")) == ["resize", "normalisation", "logits", "precision"]
    assert list(offered_choices("genkit-toolkit:clip")) == ["architecture", "resize"]
    assert offered_choices("digits-cnn") == {}
    with pytest.raises(UnknownName):
        offered_choices("incepton")


@pytest.mark.parametrize(("side", "batches"), [(8, [9]), (1024, [1] * 9), (512, [4, 4, 1])])
def test_a_batch_of_large_images_is_smaller(side, batches):
    extractor = Counter()
    extractor(torch.zeros(9, 1, side, side, dtype=torch.uint8))
    assert extractor.sizes == batches


class Counter(Extractor):
    """Keeps the sizes of the batches it is given."""

    def __init__(self):
        super().__init__("counter", "", 1, torch.nn.Identity())
        self.sizes = []

    def accepts(self, shape):
        """Take anything."""

    def forward(self, images):
        """Return one feature an image."""
        self.sizes.append(len(images))
        return torch.zeros(len(images), 1), None
