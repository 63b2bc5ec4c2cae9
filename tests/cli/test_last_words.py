"""The process that is told what plugins run; tests/registry/test_fence.py tests it with plugins that end genkit."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import os
from genkit.cli.last_words import last_words
from genkit.registry.fence import fenced
with last_words():
    with fenced("the import of a"):
        {inside}
    with fenced("the import of b"):
        pass
    {between}
{after}
"""


def run(inside="pass", between="pass", after="pass"):
    code = CODE.format(inside=inside, between=between, after=after)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


KILL = "os.kill(os.getpid(), 9)"


def test_only_what_ends_the_process_is_named():
    words = (
        "genkit: the process ended, or lost its open files, during the import of a: GENKIT_PLUGINS can leave it out\n"
    )
    assert run(KILL) == (-9, "", words)
    assert run(between=KILL) == run(after=KILL) == (-9, "", "")
    assert run() == (0, "", "")


def test_no_process_is_left_to_wait_for():
    waits = "\ntry: os.wait()\nexcept ChildProcessError: print('none')"
    code = CODE.format(inside="pass", between=waits.replace("\n", "\n    "), after="")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("none\n", "")


IN_C = "import ctypes; ctypes.PyDLL(None).pause()"
"""Waits without end, and lets no other thread of Python run: a PyDLL keeps the lock of the interpreter."""


def test_code_that_hangs_in_c_and_lets_no_thread_run_is_named_while_it_hangs():
    code = CODE.format(inside=IN_C, between="pass", after="")
    code = f"import genkit.registry.fence\ngenkit.registry.fence.PATIENCE = 0\n{code}"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) as process:
        said = process.stderr.readline()
        process.kill()
    assert said == "genkit: the import of a takes more than 0 s: GENKIT_PLUGINS can leave it out\n"
