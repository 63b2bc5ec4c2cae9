"""A plugin's package in a folder, as a wheel leaves it, for tests of what its code is a part of."""

from __future__ import annotations

import importlib
import shutil
import sys
from contextlib import contextmanager
from textwrap import dedent

from installed import dist_info

from genkit.registry import discovery, provenance

PACKAGES = ("stranger", "stranger_core", "neighbour", "elsewhere")
HOOKS = """
    from genkit.plugin import DatasetSpec, FeatureSpec, MetricSpec, hookimpl

    @hookimpl
    def genkit_features():
        yield FeatureSpec("shade", "stranger.extractor:shade", dim=2)

    @hookimpl
    def genkit_metrics():
        yield MetricSpec("gap", "stranger.metric:gap", needs=("features",), depends_on=("data", "samples", "features"))

    @hookimpl
    def genkit_datasets():
        yield DatasetSpec("ramps", "stranger.data:ramps")
"""
EXTRACTOR = """
    import torch
    from torch import nn
    from genkit.features.extractor import Extractor, offers
    from .shift import SHIFT

    class Shade(Extractor):
        has_logits = False

        def choices(self):
            return {"resize": "none"}

        def accepts(self, shape):
            pass

        def forward(self, images):
            flat = images.float().flatten(1) / 255
            return torch.stack([flat.mean(1), flat.std(1)], 1) + SHIFT, None

    @offers()
    def shade(request):
        return Shade("shade", "none", 2, nn.Identity(), request.device)
"""
METRIC = """
    from genkit.metrics import mean_score

    def gap(evidence):
        kept = evidence.cached_per_reference("mean", lambda: {"mean": evidence.real_features.mean(0) + FACTOR})
        return mean_score(abs(evidence.generated_features - kept["mean"]).sum(1))

    FACTOR = 0
"""
DATA = """
    import numpy as np
    from genkit.data.source import Item, Source, SourceItems

    class Ramps(Source):
        name = "ramps"

        def key(self):
            return 1

        def read(self):
            return SourceItems((1, 8, 8), 40, (Item(np.full((1, 8, 8), STEP * n, np.uint8)) for n in range(40)))

    STEP = 5

    def ramps(request):
        return Ramps()
"""
FILES = {
    "stranger/__init__.py": HOOKS,
    "stranger/extractor.py": EXTRACTOR,
    "stranger/shift.py": "SHIFT = 0.0\n",
    "stranger/unused.py": "UNUSED = 1\n",
    "stranger/metric.py": METRIC,
    "stranger/data.py": DATA,
}


def write(folder, files=None, version="1.0"):
    """Write the package ``stranger``, with other content of some files, and its metadata."""
    for name, text in {**FILES, **(files or {})}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    for old in folder.glob("stranger-*.dist-info"):
        shutil.rmtree(old)
    info = dist_info(folder, "stranger", {"stranger": "stranger"}, version)
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.py"))]
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in names))
    return folder


@contextmanager
def installed(place):
    """Find what lies in a folder or an archive as a new process would."""
    sys.path.insert(0, str(place))
    kept, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # files of one second and size have one .pyc
    _forget()
    try:
        yield
    finally:
        sys.dont_write_bytecode = kept
        sys.path.remove(str(place))
        _forget()


def _forget():
    importlib.invalidate_caches()
    for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
        del sys.modules[name]
    provenance._packages_of.cache_clear()
    discovery.registry.cache_clear()
