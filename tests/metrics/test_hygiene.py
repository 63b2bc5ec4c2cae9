from __future__ import annotations

import subprocess
import sys


def test_metrics_import_neither_torch_nor_scipy():
    code = "import sys, genkit.metrics; print([m for m in ('torch', 'scipy', 'pydantic') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_function_is_not_hidden_by_its_module():
    code = (
        "import importlib; importlib.import_module('genkit.metrics.inception_score');"
        "from genkit.metrics import inception_score; print(callable(inception_score))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"
