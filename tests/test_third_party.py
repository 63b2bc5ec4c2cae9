"""A third-party package from `genkit new`: installed, checked, trained, measured and ranked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="the package is built with hatchling, which is not installed here")
pytestmark = pytest.mark.slow


class Environment:
    """A new virtual environment that also sees the packages installed here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=False)
        self.python = folder / "venv" / "bin" / "python"
        shared = sysconfig.get_paths()["purelib"]
        (self.site() / "shared.pth").write_text(f"import site; site.addsitedir({shared!r})\n")

    def site(self) -> Path:
        """Its site-packages folder."""
        code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
        return Path(subprocess.check_output([self.python, "-c", code], text=True).strip())

    def install(self, package: Path) -> None:
        """Install a package as its README says, but offline, with the build backend and dependencies installed here."""
        uv = shutil.which("uv")
        if uv:
            installer = [uv, "pip", "install", "--offline", "--python", str(self.python)]
        else:
            installer = [sys.executable, "-m", "pip", "--python", str(self.python), "install"]
        command = [*installer, "--no-deps", "--no-build-isolation", str(package)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def genkit(self, *arguments: str) -> str:
        """Run a genkit command and return its stdout."""
        code = "from genkit.cli import main; main()"
        done = subprocess.run(
            [self.python, "-c", code, *arguments], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"genkit {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def test_a_strangers_model_is_found_checked_trained_and_ranked(tmp_path: Path) -> None:
    environment = Environment(tmp_path)
    environment.genkit("new", "strange-gan")
    environment.install(tmp_path / "strange-gan")
    assert (environment.site() / "strange_gan" / "plugin.py").is_file()

    models = {model["name"]: model for model in json.loads(environment.genkit("models", "--json"))}
    assert models["strange-gan"]["plugin"] == "strange-gan"
    assert "noise" in models

    report = json.loads(environment.genkit("check", "strange-gan", "--json"))
    assert report["ok"]
    assert {result["check"] for result in report["results"] if result["status"] == "passed"} >= {
        "hooks-light",
        "resume",
    }

    run = environment.genkit("train", "--model", "strange-gan", "--images", "640", "--device", "cpu").strip()
    assert json.loads((tmp_path / run / "status.json").read_text())["images"] == 640

    environment.genkit("eval", "--run", run, "-n", "400", "--device", "cpu")
    board = json.loads(environment.genkit("leaderboard", "--json"))
    (row,) = [row for row in board["rows"] if row["model"] == "strange-gan"]
    assert board["score"].startswith("fid[")
    assert (row["rank_best"], row["rank_worst"]) == (1, 1)
    assert row["ci_low"] <= row["value"] <= row["ci_high"]
