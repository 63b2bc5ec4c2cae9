from __future__ import annotations

import subprocess
import sys


def test_metrics_import_neither_torch_nor_scipy():
    code = "import sys, genkit.metrics; print([m for m in ('torch', 'scipy', 'pydantic') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
