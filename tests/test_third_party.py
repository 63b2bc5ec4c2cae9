"""A stranger's package, for real: made, installed beside genkit, checked, trained, measured and ranked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="the package is built with hatchling, which is not installed here")
pytestmark = pytest.mark.slow


class Environment:
    """A virtual environment of its own that sees what is installed here, and the commands run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=False)
        self.python = folder / "venv" / "bin" / "python"
        shared = sysconfig.get_paths()["purelib"]
        (self.site() / "shared.pth").write_text(f"import site; site.addsitedir({shared!r})\n")

    def site(self) -> Path:
        """Its own site-packages."""
        code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
        return Path(subprocess.check_output([self.python, "-c", code], text=True).strip())

    def install(self, package: Path) -> None:
        """Build the wheel with the build backend that is here, then unpack it as pip does, offline."""
        code = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
        subprocess.run([sys.executable, "-c", code, str(self.folder)], cwd=package, check=True, capture_output=True)
        (wheel,) = self.folder.glob("*.whl")
        installer = "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])"
        subprocess.run([sys.executable, "-c", installer, str(wheel), str(self.site())], check=True)

    def genkit(self, *arguments: str) -> str:
        """Run a genkit command and return its stdout."""
        code = "from genkit.cli import main; main()"
        done = subprocess.run(
            [self.python, "-c", code, *arguments], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"genkit {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout
