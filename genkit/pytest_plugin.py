"""A pytest plugin for packages that offer models: every conformance check becomes a test.

    @pytest.mark.genkit_model("my-gan")
    def test_conformance(genkit_check):
        genkit_check()

The mark takes the arguments of genkit.check: a model's name, or its class as ``model=`` (a mark called with nothing but
a class would decorate it), and ``options`` or ``dataset``. This module imports nothing heavy: torch is loaded when a
test uses the fixture, not when pytest starts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from genkit.conformance import Examination

FIXTURE, MARK = "genkit_check", "genkit_model"
_EXAMINATIONS = pytest.StashKey[dict[Any, Any]]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line("markers", f"{MARK}(model, *, options, dataset): the model that {FIXTURE} checks")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of each check."""
    if FIXTURE in metafunc.fixturenames:
        from genkit.conformance import CHECKS

        metafunc.parametrize(FIXTURE, list(CHECKS), indirect=True)


@pytest.fixture
def genkit_check(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Return a function that runs one conformance check of the marked model, and fails or skips with its reason."""
    mark = request.node.get_closest_marker(MARK)
    if mark is None or len(mark.args) + ("model" in mark.kwargs) != 1:
        raise pytest.UsageError(f'{request.node.nodeid} needs @pytest.mark.{MARK}("a model\'s name")')
    examination = _examination(request.config, mark)
    name: str = request.param

    def run() -> None:
        __tracebackhide__ = True
        result = examination.result(name)
        if result.status == "skipped":
            pytest.skip(result.reason)
        if result.status == "failed":
            pytest.fail(f"{name}: {result.reason}", pytrace=False)

    return run


def _examination(config: pytest.Config, mark: pytest.Mark) -> Examination:
    """Return the examination of the marked model, one for all tests, so that each check runs once."""
    from genkit.conformance import Examination

    known = config.stash.setdefault(_EXAMINATIONS, {})
    settings = dict(mark.kwargs)
    model = mark.args[0] if mark.args else settings.pop("model")
    key = (model, repr(settings.get("options")), id(settings.get("dataset")))
    if key not in known:
        known[key] = Examination(model, **settings)
    examination: Examination = known[key]
    return examination
