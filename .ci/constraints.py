"""Write the exact versions of this environment into pyproject.toml ([tool.uv]) and constraints.txt (for pip).

Run it in the project's environment after an upgrade: uv run python .ci/constraints.py
"""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OWN = {
    *("genkit-toolkit", "genkit-gans", "genkit-vaes", "genkit-tokens"),
    *("genkit-ray", "genkit-slurm", "genkit-trackers", "pip", "uv"),
}
FREE = {"soupsieve"}  # its newest version needs Python 3.11.5; only the docs use it


def main() -> None:
    """Rewrite both lists, sorted, one exact version a line."""
    versions = {
        re.sub(r"[-_.]+", "-", dist.metadata["Name"]).lower(): dist.version.partition("+")[0]
        for dist in importlib.metadata.distributions()
    }
    pins = [f"{name}=={version}" for name, version in sorted(versions.items()) if name not in OWN | FREE]
    project = ROOT / "pyproject.toml"
    text = project.read_text()
    block = "constraint-dependencies = [\n" + "".join(f'  "{pin}",\n' for pin in pins) + "]\n"
    if "constraint-dependencies" in text:
        text = re.sub(r"constraint-dependencies = \[\n.*?\]\n", block, text, count=1, flags=re.DOTALL)
    else:
        text = text.replace("[tool.uv]\n", f"[tool.uv]\n{block}", 1)
    project.write_text(text)
    header = "# Exact versions for pip, generated from the project's environment by .ci/constraints.py\n"
    (ROOT / "constraints.txt").write_text(header + "\n".join(pins) + "\n")
    print(f"{len(pins)} versions")


if __name__ == "__main__":
    main()
