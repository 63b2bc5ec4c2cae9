"""Fixtures that all tests share: a cache of their own, two threads, and the embedded digits."""

from __future__ import annotations

import os

import pytest


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
