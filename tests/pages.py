"""Plugin packages that pages of the docs describe: built from their code blocks, and their commands run."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from installed import dist_info

DOCS = Path(__file__).resolve().parents[1] / "docs"


def blocks(page: Path) -> dict[str, str]:
    """Return the captioned code blocks of a page by caption."""
    found = re.findall(r"```\{code-block\} \w+\n:caption: (\S+)\n\n(.*?)```", page.read_text(), re.DOTALL)
    return {caption.strip('"`'): text for caption, text in found}


def commands(page: Path) -> list[list[str]]:
    """Return the genkit commands of a page's console blocks, without ``genkit`` and trailing comments."""
    consoles = re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)
    lines = re.findall(r"^\$ genkit (.*)$", "\n".join(consoles), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def script(page: Path) -> str:
    """Return all commands of a page's console blocks, in order, as they are typed."""
    consoles = re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)
    return "\n".join(re.findall(r"^\$ (.*)$", "\n".join(consoles), re.MULTILINE)) + "\n"


def build(page: Path, folder: Path) -> Path:
    """Write a page's package into a folder, with the metadata that installing it would leave; return its ``src``."""
    files = blocks(page)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return installed(folder)


def installed(folder: Path) -> Path:
    """Write the metadata that installing the package in a folder would leave; return its ``src``, to be imported from."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    dist_info(folder / "src", project["name"], project["entry-points"]["genkit"], "0.1.0")
    return folder / "src"


@contextlib.contextmanager
def offered(page: Path, folder: Path) -> Iterator[None]:
    """Build a page's package and, within the context, have this process's registry offer what it offers."""
    from genkit.registry.discovery import registry

    source = build(page, folder)
    (package,) = (path.name for path in source.iterdir() if path.suffix != ".dist-info")
    sys.path.insert(0, str(source))
    registry.cache_clear()
    try:
        yield
    finally:
        sys.path.remove(str(source))
        registry.cache_clear()
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]


def genkit(folder: Path, *arguments: str) -> str:
    """Run a command in a folder whose ``src`` can be imported, a broken plugin being an error; return its stdout."""
    path = os.pathsep.join(filter(None, [str(folder / "src"), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "GENKIT_STRICT_PLUGINS": "1", "COLUMNS": "120"}
    words = [
        word
        for argument in arguments
        for word in (map(str, sorted(folder.glob(argument))) if "*" in argument else [argument])
    ]
    command = [sys.executable, "-c", "from genkit.cli import main; main()", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
