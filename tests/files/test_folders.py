"""The folders that the environment names."""

from __future__ import annotations

from pathlib import Path

from genkit.files.folders import cache_dir, data_root


def test_the_environment_names_the_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("GENKIT_CACHE")
    assert cache_dir().name == "genkit"
    monkeypatch.setenv("GENKIT_DATA", "/data")
    assert data_root() == Path("/data")
    monkeypatch.setenv("GENKIT_DATA", "")
    assert data_root() is None
