"""What a plugin's code changes for the whole process is as before once it has run."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from genkit.registry.fence import fenced

CHANGES = {
    "folder": (lambda: os.chdir("/"), os.getcwd),
    "warnings": (lambda: warnings.simplefilter("error"), lambda: list(warnings.filters)),
    "collection": (gc.disable, gc.isenabled),
    "logging": (lambda: logging.disable(50), lambda: logging.getLogger("genkit").isEnabledFor(40)),
    "Ctrl-C": (lambda: signal.signal(signal.SIGINT, signal.SIG_IGN), lambda: signal.getsignal(signal.SIGINT)),
    "numpy": (lambda: np.seterr(all="raise"), np.geterr),
    "dtype": (lambda: torch.set_default_dtype(torch.float64), torch.get_default_dtype),
    "gradients": (lambda: torch.set_grad_enabled(False), torch.is_grad_enabled),
    "threads": (lambda: torch.set_num_threads(torch.get_num_threads() + 1), torch.get_num_threads),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_setting_is_put_back(what):
    change, read = CHANGES[what]
    before = read()
    with pytest.raises(KeyError), fenced():
        change()
        assert read() != before
        with fenced():
            pass
        assert read() != before  # the outer code goes on with what it has set
        raise KeyError
    assert read() == before


def test_a_module_that_is_imported_meanwhile_has_the_settings_it_comes_with():
    code = (
        "from genkit.registry.fence import fenced\n"
        "with fenced():\n"
        "    import numpy, torch; torch.set_default_dtype(torch.float64); numpy.seterr(all='raise')\n"
        "print(torch.get_default_dtype(), numpy.geterr()['over'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "torch.float32 warn\n"


def test_a_folder_that_is_gone_stops_nobody(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with fenced():
        os.chdir("/")
    assert os.getcwd() == "/"
