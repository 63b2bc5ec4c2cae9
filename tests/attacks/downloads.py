"""Downloads: mirrors that lie, break off, drip or never end; what is kept is right, or one sentence says why not."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import random
import socket
import threading
import time
from typing import Any

from attacks.trying import RAW, Trial

NAME = "downloads"
KINDS = (
    "good", "no ranges", "wrong", "404", "500", "301 loop", "302 file", "302 far", "cut", "cut early", "longer", "endless",
    "drip", "silent", "slow header", "long header", "many headers", "no header", "claims more", "claims less", "claims text",
    "claims twice", "negative", "huge claim", "gzip", "chunked", "bad chunk", "endless chunk", "206 shift", "206 all", "416",
    "204", "100", "http 0.9", "reset", "flip", "nul header", "escape", "304", "401",
)  # fmt: skip
"""How a mirror behaves."""

SIZE = 200_000


def attack(trial: Trial) -> None:
    """Download a file from one to three mirrors, with or without a beginning that is there already."""
    from genkit.downloads import download
    from genkit.errors import GenkitError

    rng = trial.rng
    content = rng.randbytes(SIZE)
    sha256 = hashlib.sha256(content).hexdigest()
    kinds = [KINDS[trial.number % len(KINDS)], *rng.choices(KINDS, k=rng.randrange(3))]
    target = trial.folder / "cache" / "file.bin"
    target.parent.mkdir()
    part = target.with_name("file.bin.part")
    begun = rng.choice(("", "", "good", "wrong", "longer", "old file", "folder"))
    trial.did(f"{', '.join(kinds)}{f'; begun: {begun}' if begun else ''}")
    if begun in ("good", "wrong"):
        part.write_bytes(content[:50_000] if begun == "good" else bytes(50_000))
    elif begun == "longer":
        part.write_bytes(content + b"more")
    elif begun == "old file":
        target.write_bytes(b"old")
    elif begun == "folder":
        part.mkdir()
    hurried()
    urls = [Mirror(kind, content, random.Random(rng.random())).url for kind in kinds]
    try:
        download(urls, sha256, target, what="the file", size=len(content))
    except GenkitError as error:
        message = str(error)
        if "\n" in message:
            trial.complain(f"the error has several lines: {ascii(message)[:200]}")
        if RAW.search(message):
            trial.complain(f"the error has raw characters of a mirror: {ascii(message)[:300]}")
        if kinds[0] in ("good", "no ranges") and begun != "folder":
            trial.complain(f"a good mirror was of no use: {message[:200]}")
        right = False
    else:
        right = True
    if right and target.read_bytes() != content:
        trial.complain("what was kept is not what was asked for")
    if not right and target.is_file() and target.read_bytes() not in (b"old", content):
        trial.complain("a failed download left a wrong file in place")
    if part.is_file() and part.stat().st_size > 10 * SIZE:
        trial.complain(f"a mirror filled the disk: {part.stat().st_size:,} bytes of {SIZE:,} asked for")


def hurried() -> None:
    """Let waiting for mirrors take parts of a second in this process."""
    from genkit.files import patience

    patience.PATIENCE = 0.5


class Mirror:
    """A server in this process that answers each request as its kind says."""

    def __init__(self, kind: str, content: bytes, rng: random.Random) -> None:
        self.kind, self.content, self.rng = kind, content, rng
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}/file.bin"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self.listening.accept()
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            request = b""
            while b"\r\n\r\n" not in request:
                block = connection.recv(65536)
                if not block:
                    return
                request += block
            start = 0
            for line in request.decode("latin-1").splitlines():
                if line.lower().startswith("range: bytes="):
                    start = int(line.partition("=")[2].rstrip("-"))
            for piece in self._answer(start):
                connection.sendall(piece)

    def _answer(self, start: int) -> Any:
        """Yield what is sent."""
        kind, content, rng = self.kind, self.content, self.rng
        status = {
            "404": "404 Not Found", "500": "500 Error", "204": "204 No Content", "304": "304 Not Modified",
            "401": "401 Who", "416": "416 Range",
        }  # fmt: skip
        if kind in status:
            yield _head(status[kind], "Content-Length: 0")
        elif kind.startswith("30"):
            where = {"301 loop": self.url, "302 file": "file:///etc/passwd", "302 far": "http://127.0.0.1:9/x"}[kind]
            yield _head(f"{kind[:3]} Moved", f"Location: {where}", "Content-Length: 0")
        elif kind in ("no ranges", "wrong", "flip", "longer", "gzip"):
            body = {"wrong": content[::-1], "longer": content + b"x" * 1000, "gzip": gzip.compress(content)}.get(
                kind, content
            )
            if kind == "flip":
                place = rng.randrange(len(body))
                body = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
            extra = ["Content-Encoding: gzip"] if kind == "gzip" else []
            yield _head("200 OK", f"Content-Length: {len(body)}", *extra) + body
        elif kind in ("silent", "reset"):
            time.sleep(30 if kind == "silent" else 0)
        elif kind == "slow header":
            for letter in "HTTP/1.1 200 OK\r\nX: " + "x" * 10_000:
                yield letter.encode()
                time.sleep(0.1)
        elif kind == "long header":
            yield b"HTTP/1.1 200 OK\r\nX: " + b"x" * 5_000_000
        elif kind == "many headers":
            yield b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 10_000 + b"\r\n"
        elif kind == "no header":
            yield rng.randbytes(2000)
        elif kind == "http 0.9":
            yield content
        elif kind == "100":
            yield b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000
        elif kind == "escape":
            yield _head("500 \x1b[31m\x1b]0;x\x07red", "Content-Length: 0")
        elif kind == "nul header":
            yield _head("200 OK", "X\0: \0", f"Content-Length: {len(content)}") + content
        elif kind.startswith("claims") or kind in ("negative", "huge claim"):
            claim = {
                "claims more": str(len(content) + 5000), "claims less": "1000", "claims text": "many",
                "claims twice": f"5\r\nContent-Length: {len(content)}", "negative": "-1", "huge claim": "9" * 40,
            }[kind]  # fmt: skip
            yield _head("200 OK", f"Content-Length: {claim}") + content
        elif kind in ("endless", "drip"):
            yield _head("200 OK")
            while True:
                yield bytes(1 << 16) if kind == "endless" else b"x"
                time.sleep(0 if kind == "endless" else 0.2)
        elif "chunk" in kind:
            yield _head("200 OK", "Transfer-Encoding: chunked")
            if kind == "bad chunk":
                yield b"zz\r\n" + content
            elif kind == "endless chunk":
                while True:
                    yield b"10000\r\n" + bytes(1 << 16) + b"\r\n"
            else:
                yield b"%x\r\n" % len(content) + content + b"\r\n0\r\n\r\n"
        else:
            yield from self._ranged(start)

    def _ranged(self, start: int) -> Any:
        content, kind = self.content, self.kind
        if start >= len(content):
            yield _head("416 Range", "Content-Length: 0")
            return
        shown = start + (kind == "206 shift")
        if kind == "206 all":
            shown = start = 0
        ranged = f"Content-Range: bytes {shown}-{len(content) - 1}/{len(content)}"
        status = "206 Partial" if start or kind.startswith("206") else "200 OK"
        body = content[start:]
        yield _head(status, f"Content-Length: {len(body)}", *([ranged] if status[0:3] == "206" else []))
        if kind == "cut early":
            return
        yield body[: len(body) // 2] if kind == "cut" else body


def _head(status: str, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "Connection: close", "", ""]).encode("latin-1")
