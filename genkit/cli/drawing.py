"""Options of drawing on the command line: ``-o NAME=VALUE``, and flags of their own for the usual ones."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from genkit.cli.help import option, options
from genkit.errors import UsageError

USUAL = {
    "guidance": "How strongly samples follow their class; 1 is the model itself, 0 ignores the class.",
    "temperature": "Temperature of what is drawn; below 1, likelier and less varied.",
    "top_k": "Draw among so many likeliest codes; 0: all.",
    "top_p": "Draw among the likeliest codes that together have this probability.",
    "steps": "Steps in which a sample is drawn.",
    "truncation": "Scale of a GAN's latents; below 1, less varied.",
}
"""Options of drawing that many models have, with their flags' help."""


def drawing_options(*flags: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``-o`` and these flags of ``USUAL``; the command gets what is given as ``sampling``, values by name."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def collected(*arguments: Any, **keywords: Any) -> Any:
            from genkit.options import parse_assignments

            sampling = parse_assignments(keywords.pop("drawing"))
            for name in flags:
                if (value := keywords.pop(f"draw_{name}")) is not None:
                    if name in sampling:
                        raise UsageError(f"{_flag(name)} and -o {name}= are both given: leave one out")
                    sampling |= parse_assignments([f"{name}={value}"])
            return function(*arguments, sampling=sampling, **keywords)

        assigned = option(
            "-o",
            "--option",
            "drawing",
            multiple=True,
            metavar="NAME=VALUE",
            section="Drawing",
            help="Any option of drawing, e.g. guidance=1.5; genkit models NAME lists them; repeatable.",
        )
        own = (option(_flag(n), f"draw_{n}", metavar="VALUE", section="Drawing", help=USUAL[n]) for n in flags)
        return options(*own, assigned)(collected)

    return add


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
