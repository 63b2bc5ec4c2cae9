"""Fixtures that all tests share: a cache of their own, and the embedded digits."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # several tests run at a time, and some start processes
sys.path.insert(0, str(Path(__file__).parent))  # toys and making, which also run in processes of their own


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Tests never touch the user's cache."""
    before = os.environ.get("GENKIT_CACHE")
    os.environ["GENKIT_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["GENKIT_CACHE"]
    else:
        os.environ["GENKIT_CACHE"] = before


@pytest.fixture(scope="session")
def digits(own_cache):
    """The embedded digits: 1,437 training and 360 test images, 17 levels."""
    from genkit.data import open_dataset

    return open_dataset("digits")


@pytest.fixture
def toy_models():
    """Offer the models of tests/toys.py by name."""
    import toys

    from genkit.registry.discovery import registry

    plugin = toys.plugin()
    registry().plugins.append(plugin)
    yield
    registry().plugins.remove(plugin)
