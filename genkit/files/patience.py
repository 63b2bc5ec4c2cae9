"""An end to waiting: connections over which nothing comes, or too little."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

PATIENCE = 30.0
"""Seconds of waiting in which ``LEAST`` bytes must come."""

LEAST = 16 << 10

_TICK = 0.2


class Patience:
    """Ends a connection when fewer than ``LEAST`` bytes have come in ``PATIENCE`` seconds of waiting.

    A timeout of the socket alone is no end: a byte now and then, also within headers, starts it anew. Only time within
    ``waiting`` counts, not that of writing to disk.
    """

    def __init__(self) -> None:
        self.lost = False
        self._socket: socket.socket | None = None
        self._waited = 0.0
        self._since: float | None = None
        self._bytes = 0
        self._done = threading.Event()

    def __enter__(self) -> Patience:
        threading.Thread(target=self._watch, name="genkit-patience", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time within as waiting."""
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._waited += time.monotonic() - self._since
            self._since = None

    def came(self, count: int) -> None:
        """Count bytes that came."""
        self._bytes += count
        if self._bytes >= LEAST:
            self._bytes, self._waited = 0, 0.0

    def open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Open a URL as urllib.request.urlopen does, and raise its errors."""
        opener = urllib.request.build_opener(*(kind(self) for kind in (_Plain, _Encrypted)))
        response: http.client.HTTPResponse = opener.open(request, timeout=PATIENCE)
        return response

    def connected(self, connection: http.client.HTTPConnection) -> None:
        """Remember the socket of a connection."""
        self._socket = connection.sock

    def _watch(self) -> None:
        while not self._done.wait(_TICK):
            since = self._since
            if since is not None and self._waited + time.monotonic() - since > PATIENCE:
                self.lost = True
                if self._socket is not None:
                    with contextlib.suppress(OSError):  # also of an encrypted one, whose own method would wait
                        socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Watched:
    """What the two handlers of URLs below share: their connections are watched."""

    def __init__(self, patience: Patience) -> None:
        super().__init__()
        self._patience = patience

    def _made(self, kind: type[http.client.HTTPConnection]) -> Any:
        patience = self._patience

        class Watched(kind):  # type: ignore[valid-type, misc]
            def connect(self) -> None:
                super().connect()
                patience.connected(self)

        return Watched


class _Plain(_Watched, urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._made(http.client.HTTPConnection), req)


class _Encrypted(_Watched, urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._made(http.client.HTTPSConnection), req)
