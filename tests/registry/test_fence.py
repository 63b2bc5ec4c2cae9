"""What plugins print goes to stderr; what hangs, exits or closes streams is named, and costs that plugin alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import pytest
from hostile import HARM
from installed import dist_info

from genkit.errors import PluginError
from genkit.plugin import ModelSpec
from genkit.registry import fence
from genkit.registry.fence import fenced

SOUND = "from genkit.plugin import *\n@hookimpl\ndef genkit_models():\n    {hook}\n    yield ModelSpec('bear', 'no.such:Model')\n"
LOUD = (
    "import os, subprocess, sys; print('LOUD'); os.write(1, b'LOUD'); subprocess.run(['echo', 'LOUD']); "
    "sys.stdout.buffer.write(b'LOUD'); sys.__stdout__.write('LOUD'); sys.__stdout__.flush()"
)


@pytest.fixture
def started(tmp_path):
    """Run a command line in a process of its own beside installed plugins: started(arguments, {name: module}).

    What it says of plugins that take long, as all do on a busy machine, is left out.
    """

    def run(arguments, plugins):
        for name, text in plugins.items():
            (tmp_path / f"{name}.py").write_text(text)
            dist_info(tmp_path, name, {name: name}, "2.5")
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from genkit.cli import main; main()"
        environment = {**os.environ, "GENKIT_PLUGINS": ",".join(plugins)}
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        lines = done.stderr.splitlines(keepends=True)
        done.stderr = "".join(line for line in lines if "takes more than 5 s" not in line)
        return done

    return run


def test_what_plugins_print_at_import_and_in_hooks_is_on_stderr(started):
    done = started(["plugins", "--json"], {"loud": LOUD + "\n" + SOUND.format(hook=LOUD)})
    found = {plugin["name"]: plugin for plugin in json.loads(done.stdout)}
    assert done.returncode == 0
    assert found["loud"]["offers"] == {"model": ["bear"]} and found["loud"]["seconds"] >= 0
    assert done.stderr.count("LOUD") == 10


HARMFUL = r"""
import logging, sys, warnings
harm = "\x1b]0;gone\x07\x9b2J\u202e"
print(harm)
sys.stdout.write(harm)
sys.stdout.buffer.write(harm.encode() + b"\x9b2J")
print(harm, file=sys.stderr)
sys.stderr.buffer.write(harm.encode())
sys.stderr.buffer.flush()
logging.getLogger("plugin").error(harm)
warnings.warn(harm)
"""


def test_what_plugins_print_moves_no_cursor_and_sets_no_title(started):
    done = started(["plugins", "--json"], {"harmful": HARMFUL + SOUND.format(hook=HARMFUL.strip().replace("\n", "; "))})
    assert done.returncode == 0 and {"name", "error"} <= set(json.loads(done.stdout)[-1])
    assert not HARM.search(done.stdout + done.stderr)
    assert done.stderr.count("gone") >= 14


FATAL = {
    "exit": ("import os; os._exit(0)", "it calls os._exit, which would end genkit"),
    "posix": ("import posix; posix._exit(0)", "it calls os._exit, which would end genkit"),
    "abort": ("import os; os.abort()", "it calls os.abort, which would end genkit"),
    "exec": ("import os; os.execlp('true', 'true')", "it calls os.execv"),
    "out": ("import os; os.close(1)", "it closes stdout"),
    "err": ("import os; os.close(2)", "it closes stderr"),
    "both": ("import sys; sys.__stdout__.close(); sys.__stderr__.close()", "it closes stdout and it closes stderr"),
    "printed": ("import sys; sys.stdout.close()", "it closes stdout"),
    "base": ("raise BaseException('odd')", "BaseException: odd"),
    "user": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "closing": ("raise GeneratorExit", "GeneratorExit"),
    "stopped": ("from genkit.errors import Interrupted; raise Interrupted('stopped')", "stopped"),
    "memory": ("bytearray(1 << 60)", "MemoryError"),
    "depth": ("(lambda f: f(f))(lambda f: f(f))", "RecursionError: maximum recursion depth exceeded"),
}


@pytest.mark.parametrize("place", ["import", "hook"])
def test_plugins_that_end_processes_cost_themselves_alone(started, place):
    plugins = {"sound": SOUND.format(hook="pass")}
    for name, (code, _) in FATAL.items():
        plugins[f"p{name}"] = code if place == "import" else SOUND.format(hook=code)
    done = started(["plugins", "--json"], plugins)
    assert done.returncode == 0, done.stderr
    found = {plugin["name"]: plugin for plugin in json.loads(done.stdout)}
    for name, (_, words) in FATAL.items():
        assert words in found[f"p{name}"]["error"]
        assert f"plugin 'p{name}' of p{name} is left out: " in done.stderr
    assert found["sound"]["error"] is None and len(done.stderr.splitlines()) == len(FATAL)


HOARD = """
import resource
limits = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, limits[1]))
try:
    hoard = []
    while True:
        hoard.append(bytearray(1 << 26))
finally:
    resource.setrlimit(resource.RLIMIT_AS, limits)
"""


def test_a_plugin_that_takes_all_memory_at_import_costs_itself_alone(started):
    done = started(["plugins", "--json"], {"hoard": HOARD, "sound": SOUND.format(hook="pass")})
    found = {plugin["name"]: plugin["error"] for plugin in json.loads(done.stdout)}
    assert found["hoard"] == "import failed: MemoryError" and found["sound"] is None
    assert done.returncode == 0 and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "code",
    [
        "import ctypes; ctypes.CDLL(None)._exit(0)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import ctypes; ctypes.string_at(0)",
        "import os; os.closerange(0, 100)",
    ],
)
@pytest.mark.parametrize("place", ["import", "hooks"])
def test_a_plugin_that_ends_the_process_from_c_code_is_named(started, code, place):
    done = started(["plugins"], {"last": code if place == "import" else SOUND.format(hook=code)})
    words = f"the process ended, or lost its open files, during the {place} of plugin 'last' of last: GENKIT_PLUGINS"
    assert done.stdout == "" and words in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_plugin_may_replace_stdout_and_fork(started):
    forks = "import os, sys; sys.stdout = open(os.devnull, 'w')\nif not os.fork(): os._exit(0)\nos.wait()\n"
    done = started(["plugins"], {"forks": forks + SOUND.format(hook="pass")})
    assert "forks 2.5" in done.stdout and done.stderr == ""


@pytest.mark.parametrize("place", ["import", "hook"])
def test_the_user_stops_a_plugin_at_start(started, place):
    code = "import os, signal; signal.raise_signal(signal.SIGINT)"
    done = started(["plugins"], {"slow": code if place == "import" else SOUND.format(hook=code)})
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "stopped")


def test_what_hangs_is_named_while_it_hangs(monkeypatch):
    said, named = [], threading.Event()
    monkeypatch.setattr(fence._LOG, "warning", lambda *words: (said.append(words[0] % words[1:]), named.set()))
    with fenced("the import of plugin 'slow'", patience=0.0):
        assert named.wait(60)
    assert said == ["the import of plugin 'slow' takes more than 0 s: GENKIT_PLUGINS can leave it out"]


def test_streams_and_exits_are_as_before(capfd):
    before = os._exit, sys.stdout, sys.stderr
    with pytest.raises(KeyError), fenced():
        raise KeyError
    with pytest.raises(PluginError, match=r"os\._exit"), fenced():
        os._exit(3)
    print("out", flush=True)
    os.system("echo out")
    assert (os._exit, sys.stdout, sys.stderr) == before
    assert capfd.readouterr().out == "out\nout\n"


def test_a_thread_does_not_wait_for_another_and_the_last_to_leave_puts_back(capfd):
    before, inside, go = (os._exit, sys.stdout), threading.Event(), threading.Event()

    def other():
        with fenced():
            inside.set()
            go.wait(60)
            os.system("echo LOUD")

    thread = threading.Thread(target=other, daemon=True)
    with fenced():
        thread.start()
        assert inside.wait(60)
    assert (os._exit, sys.stdout) != before
    go.set()
    thread.join(60)
    assert (os._exit, sys.stdout) == before
    assert capfd.readouterr() == ("", "LOUD\n")


@pytest.mark.parametrize("closing", ["os.close(1)", "sys.stdout.close()"])
def test_who_closes_a_stream_is_blamed_where_one_calls_another(closing, capfd):
    with fenced():
        with pytest.raises(PluginError, match="it closes stdout"), fenced():
            exec(closing)
        print("aside", flush=True)
    with pytest.raises(PluginError, match="it closes stdout"), fenced():
        exec(closing)
        with fenced():
            pass
    assert capfd.readouterr() == ("", "aside\n")


def test_what_runs_is_told_again_after_what_it_called(monkeypatch):
    told = []
    monkeypatch.setattr(fence, "tell", told.append)
    with fenced("the outer"), fenced("the inner"):
        pass
    assert told == ["the outer", "the inner", "the outer", ""]


def test_a_target_that_prints_at_import_is_fenced_and_one_that_exits_is_named(tmp_path, monkeypatch, capfd):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "loud_target.py").write_text(LOUD + "\nmodel = 3\n")
    (tmp_path / "fatal_target.py").write_text("import os; os._exit(0)\n")
    assert ModelSpec("bear", "loud_target:model").load() == 3
    assert "LOUD" not in capfd.readouterr().out
    with pytest.raises(PluginError, match=r"model 'bear' can't be loaded from fatal_target:model: it calls os\._exit"):
        ModelSpec("bear", "fatal_target:model").load()
