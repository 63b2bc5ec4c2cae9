"""Names that files, models, classes or plugins may have, and what must never reach a terminal or page."""

from __future__ import annotations

import re

NAMES = {
    "escape": "a\x1b[2J\x1b[31mred",
    "link": "\x1b]8;;http://evil.example\x07click\x1b]8;;\x07",
    "title": "\x1b]0;gone\x07",
    "c1": "a\x9b2Jb\x85c\x90d",
    "override": "gnp.\u202exe",
    "isolate": "\u2066a\u2069\u200f",
    "newline": "a\nError: forged",
    "return": "good\rbad",
    "tab": "\t=1+1",
    "nul": "a\x00b",
    "delete": "a\x7f\x08b",
    "long": "n" * 240,
    "emoji": "\U0001f469\u200d\U0001f680 \U0001f1e9\U0001f1ea",
    "combining": "e\u0301\u0323\u0489",
    "japanese": "\u5199\u771f\u3000\u30d5\u30a9\u30c8",
    "wide": "\uff1dcmd|' /C calc'!A0",
    "formula": "=HYPERLINK(1)",
    "at": "@SUM(1)",
    "minus": "-2+3",
    "zero-width": "\u200b=1",
    "mark": "\ufeff=1",
    "filler": "\u3164=1",
    "selector": "\ufe00=1",
    "selectors": "gan\ufe0f\U000e0101\u180b",
    "quotes": "a\"b'c",
    "script": "</script><script>alert(1)</script>",
    "comment": "--><!--",
    "table": "a|b`c```\n```d",
    "markup": "[x](javascript:a) *b* _c_ <b>",
    "separators": "a\u2028b\u2029c",
    "bytes": "\udcff\udcfe",
    "latin": "caf\udce9",
    "backslashes": r"C:\new\u001b\udcff",
    "percent": "100%s {x} ${y}",
    "spaces": "  a b  ",
}
"""A name of each kind, without slashes."""

HARM = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ud800-\udfff"
    "\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
"""What a terminal obeys or a reader does not see; line breaks and tabs are looked for where they matter."""


ON_DISK = {kind: name.replace("/", "_") for kind, name in NAMES.items() if "\x00" not in name}
"""Those that Linux takes as names of files."""
