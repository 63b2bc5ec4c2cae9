"""Which device work runs on."""

from __future__ import annotations

import torch

from genkit.errors import UsageError


def pick_device(wanted: str = "auto") -> torch.device:
    """Return the device: ``auto`` takes a GPU where there is one; raises UsageError for one that is not there."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.zeros(1, device=device).item()  # what "meta" allocates can't be read
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"there is no device {wanted!r} here: {str(error).splitlines()[0]}") from error
    return device
