"""Sphinx configuration; the tables and the pages of commands and model cards are generated from the program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # commands_page.py, model_cards.py

project = "genkit"
author = "the genkit developers"
copyright = "the genkit developers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
myst_enable_extensions = ["attrs_inline", "colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "genkit"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
exclude_patterns = ["_build", "samples.md", "reference/*-table.md"]
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
autodoc_member_order = "bysource"
nitpicky = False


def _write_commands(_app: Any) -> None:
    import commands_page

    _write("commands.md", commands_page.page())


def _write_metrics(_app: Any) -> None:
    from genkit.registry.discovery import registry
    from genkit.registry.specs import MetricSpec
    from genkit.results.protocols import PROTOCOLS

    rows = ["| metric | better | needs | parameters | what it is |", "|---|---|---|---|---|"]
    for offer in registry().offers(MetricSpec):
        spec = offer.spec
        parameters = ", ".join(f"`{key}={value}`" for key, value in spec.defaults.items())
        unit = f" ({spec.unit})" if spec.unit else ""
        rows.append(
            f"| `{spec.name}` | {spec.direction} | {', '.join(spec.needs)} | {parameters} | {spec.summary}{unit} |"
        )
    _write("metrics-table.md", "\n".join(rows) + "\n")
    rows = ["| parameter | default | may be | what it does |", "|---|---|---|---|"]
    for offer in registry().offers(MetricSpec):
        for key, each in offer.spec.schema.items():
            only = f", with `{each.only_with}`" if each.only_with else ""
            rows.append(f"| `{offer.spec.name}.{key}` | `{each.default}` | {each.range} | {each.summary}{only} |")
    _write("parameters-table.md", "\n".join(rows) + "\n")
    rows = ["| protocol | quantisation | Inception | parameters |", "|---|---|---|---|"]
    for name, preset in PROTOCOLS.items():
        features = ", ".join(f"{key} `{value}`" for key, value in preset.features.items())
        parameters = "; ".join(
            f"{metric}: {', '.join(f'`{key}={value}`' for key, value in chosen.items())}"
            for metric, chosen in preset.parameters.items()
        )
        rows.append(f"| `{name}` | {preset.quantisation} | {features or 'like genkit'} | {parameters or '-'} |")
    _write("presets-table.md", "\n".join(rows) + "\n")


def _write_models(_app: Any) -> None:
    import gallery
    import model_cards

    from genkit.registry.discovery import registry
    from genkit.registry.specs import ModelSpec
    from genkit.results import store

    results = Path(__file__).parents[1] / "benchmarks" / "results"
    records = store.read(results).records if results.is_dir() else []
    offers = [offer for offer in registry().offers(ModelSpec) if offer.spec.family != "baseline"]
    grids = {
        path.parent.name: path.relative_to(results.parents[1]) for path in results.glob("*/exhibits/*/samples.png")
    }
    _write("model-cards.md", model_cards.page(offers, records, {key: f"../../{path}" for key, path in grids.items()}))
    pictures = {key: f"../{path}" for key, path in grids.items()}
    _write("../gallery.md", gallery.page(offers, records, pictures))
    _write("../samples.md", gallery.row(offers, records, pictures))


def _write(name: str, text: str) -> None:
    target = Path(__file__).parent / "reference" / name
    if not target.exists() or target.read_text() != text:
        target.write_text(text)


def _escape_bars(_app: Any, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Keep |x| of docstrings, a norm, from being read as reStructuredText's substitution."""
    for number, line in enumerate(lines):
        parts = line.split("``")
        parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
        lines[number] = "``".join(parts)


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", _escape_bars)
    app.connect("builder-inited", _write_commands)
    app.connect("builder-inited", _write_metrics)
    app.connect("builder-inited", _write_models)
