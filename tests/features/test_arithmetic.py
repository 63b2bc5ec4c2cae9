from __future__ import annotations

import pytest
import torch

from genkit.features.arithmetic import arithmetic

if not hasattr(torch.backends.cudnn, "conv"):
    pytest.skip("torch before 2.9", allow_module_level=True)


def precisions():
    return (
        torch.backends.cuda.matmul.fp32_precision,
        torch.backends.cudnn.conv.fp32_precision,
        torch.backends.mkldnn.matmul.fp32_precision,
        torch.backends.mkldnn.conv.fp32_precision,
    )


def test_float32_is_float32_and_kernels_are_deterministic():
    with arithmetic():
        assert set(precisions()) == {"ieee"}
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.benchmark


def test_tf32_is_for_the_gpu_alone():
    with arithmetic(tf32=True):
        assert precisions() == ("tf32", "tf32", "ieee", "ieee")


def test_switches_are_given_back_after_a_failure_too():
    before = (*precisions(), torch.backends.cudnn.deterministic)
    with pytest.raises(ZeroDivisionError), arithmetic(tf32=True):
        raise ZeroDivisionError
    assert (*precisions(), torch.backends.cudnn.deterministic) == before


@pytest.mark.parametrize(
    ("place", "value"), [(torch.backends.cudnn.conv, "ieee"), (torch.backends.cuda.matmul, "tf32")]
)
def test_a_program_may_have_set_the_newer_switches(place, value):
    """After that torch raises when the older ones, allow_tf32 and the matmul precision, are read."""
    before = place.fp32_precision
    place.fp32_precision = value
    try:
        with arithmetic():
            assert set(precisions()) == {"ieee"}
        assert place.fp32_precision == value
    finally:
        place.fp32_precision = before


def test_a_program_may_read_the_older_switches_afterwards():
    with arithmetic():
        pass
    assert torch.backends.cudnn.allow_tf32 in (True, False)
    assert torch.get_float32_matmul_precision() in ("highest", "high", "medium")


def test_a_program_may_have_set_the_older_switches():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with arithmetic():
            assert set(precisions()) == {"ieee"}
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
