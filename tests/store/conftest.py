from __future__ import annotations

import pytest


@pytest.fixture
def url(tmp_path):
    """A URL of a store in memory, empty, and gone afterwards."""
    from fsspec.implementations.memory import MemoryFileSystem

    yield f"memory://{tmp_path.name}/runs"
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.fixture(params=["folder", "URL"])
def root(request, tmp_path, url):
    """A store, as a folder and as a URL."""
    return tmp_path if request.param == "folder" else url
