from __future__ import annotations

import pytest

from genkit.errors import UsageError
from genkit.training.settings import Settings


@pytest.mark.parametrize("seconds", [float("nan"), float("inf")])
def test_checkpoints_that_never_come_are_refused(seconds):
    with pytest.raises(UsageError, match="seconds between checkpoints"):
        Settings(checkpoint_seconds=seconds)
