from __future__ import annotations

import pytest


@pytest.fixture
def url(tmp_path, monkeypatch):
    """A URL of a store in memory, which is empty, and gone afterwards."""
    from fsspec.implementations.memory import MemoryFileSystem

    monkeypatch.setattr(MemoryFileSystem, "store", {})
    monkeypatch.setattr(MemoryFileSystem, "pseudo_dirs", [""])
    return f"memory://{tmp_path.name}/runs"


@pytest.fixture(params=["folder", "URL"])
def root(request, tmp_path, url):
    """A store, as a folder and as a URL."""
    return tmp_path if request.param == "folder" else url
