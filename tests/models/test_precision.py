import contextlib

import pytest
import torch

from genkit.models.precision import full_precision, promoted

CPU = torch.device("cpu")


@pytest.mark.parametrize("outer", [contextlib.nullcontext(), torch.autocast("cpu", torch.bfloat16)])
def test_a_product_in_full_precision_is_float32(outer):
    a = torch.rand(4, 4)
    with outer, full_precision(CPU):
        assert (a @ a).dtype == torch.float32


def test_autocast_goes_on_after_the_context():
    a = torch.rand(4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        with full_precision(CPU):
            pass
        assert (a @ a).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_half_precisions_are_promoted_and_no_other(before, after):
    assert promoted(torch.ones(2, dtype=before)).dtype == after
