from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from genkit.downloads import download
from genkit.errors import MissingError
from genkit.files import patience

HEAD = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def mirror(serve: Callable[[Callable[[bytes], None], threading.Event], None]) -> Iterator[str]:
    """A server that answers every request by ``serve``, with a function that sends and an event to stop at."""
    gone = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            while not gone.is_set():
                try:
                    connection, _ = listening.accept()
                    with connection:
                        connection.recv(65536)
                        serve(connection.sendall, gone)
                except OSError:
                    continue

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/file"
        finally:
            gone.set()
            listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def endless(send: Callable[[bytes], None], gone: threading.Event) -> None:
    send(HEAD + b"\r\n")
    while not gone.is_set():
        send(bytes(1 << 16))


def claimed(send: Callable[[bytes], None], gone: threading.Event) -> None:
    send(HEAD + b"Content-Length: 1000000000000\r\n\r\n")


def dripping(before: bytes) -> Callable[[Callable[[bytes], None], threading.Event], None]:
    def serve(send: Callable[[bytes], None], gone: threading.Event) -> None:
        send(before)
        while not gone.wait(0.02):
            send(b"1")

    return serve


@pytest.mark.parametrize(("serve", "reason"), [(endless, "sends more than the 1,000 bytes"), (claimed, "it offers")])
def test_no_mirror_sends_more_than_the_file_has(tmp_path: Path, serve: object, reason: str) -> None:
    with mirror(serve) as url, pytest.raises(MissingError, match=reason):  # type: ignore[arg-type]
        download([url], "0" * 64, tmp_path / "a", what="the file", size=1000)
    assert not (tmp_path / "a.part").exists()


@pytest.mark.parametrize(
    "before",
    [b"", HEAD, HEAD + b"\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\n"],
    ids=["status", "headers", "body", "chunk"],
)
def test_a_mirror_that_drips_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bytes) -> None:
    monkeypatch.setattr(patience, "PATIENCE", 0.3)
    with mirror(dripping(before)) as url, pytest.raises(MissingError, match="fewer than 16,384 bytes came"):
        download([url], "0" * 64, tmp_path / "a", what="the file")
