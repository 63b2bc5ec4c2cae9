from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from genkit.downloads import download
from genkit.errors import DataError, MissingError
from genkit.files.integrity import sha256_file

CONTENT = bytes(range(256)) * 4000
SHA = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """/good obeys ranges, /whole does not, /cut/N breaks off after N bytes, /wrong sends other bytes, /shift lies."""

    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.asked.append((self.path, asked))
        content = CONTENT[::-1] if self.path == "/wrong" else CONTENT
        start = 0
        if self.path == "/gone":
            self.send_error(404)
            return
        if asked and self.path != "/whole":
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_error(416)
                return
            start += self.path == "/shift"
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop = start + int(self.path.split("/")[2]) if self.path.startswith("/cut/") else len(content)
        self.wfile.write(content[start:stop])

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[str]:
    Handler.asked.clear()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "file.bin"


def fetched(target: Path, *urls: str) -> bytes:
    assert download(urls, SHA, target, what="the file") == target
    assert not target.with_name("file.bin.part").exists()
    return target.read_bytes()


def begun(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True)
    target.with_name("file.bin.part").write_bytes(content)


def test_a_file_is_fetched_and_checked(server: str, target: Path) -> None:
    assert fetched(target, f"{server}/good") == CONTENT
    assert sha256_file(target) == SHA


def test_a_file_that_is_there_costs_no_network(target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    assert fetched(target, "http://127.0.0.1:9/none") == CONTENT


def test_a_wrong_file_that_is_there_is_replaced(server: str, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"old")
    assert fetched(target, f"{server}/good") == CONTENT


def test_a_begun_file_goes_on_where_it_stopped(server: str, target: Path) -> None:
    begun(target, CONTENT[:1000])
    assert fetched(target, f"{server}/good") == CONTENT
    assert Handler.asked == [("/good", "bytes=1000-")]


def test_a_complete_part_is_only_checked(server: str, target: Path) -> None:
    begun(target, CONTENT)
    assert fetched(target, f"{server}/good") == CONTENT


def test_a_server_without_ranges_sends_all_anew(server: str, target: Path) -> None:
    begun(target, CONTENT[:1000])
    assert fetched(target, f"{server}/whole") == CONTENT


def test_a_part_of_other_content_is_thrown_away(server: str, target: Path) -> None:
    begun(target, b"x" * 1000)
    assert fetched(target, f"{server}/good") == CONTENT
    assert [asked for _, asked in Handler.asked] == ["bytes=1000-", None]


def test_a_broken_connection_is_resumed_at_the_next_mirror(server: str, target: Path) -> None:
    assert fetched(target, f"{server}/cut/300000", f"{server}/good") == CONTENT
    assert Handler.asked[-1] == ("/good", "bytes=600000-")


def test_a_wrong_range_is_not_appended(server: str, target: Path) -> None:
    begun(target, CONTENT[:1000])
    assert fetched(target, f"{server}/shift", f"{server}/good") == CONTENT
    assert Handler.asked[-1] == ("/good", "bytes=1000-")


@pytest.mark.parametrize("bad", ["wrong", "gone"])
def test_a_bad_mirror_is_followed_by_the_next(server: str, target: Path, bad: str) -> None:
    assert fetched(target, f"{server}/{bad}", f"{server}/good") == CONTENT


def test_wrong_content_everywhere_leaves_no_file(server: str, target: Path) -> None:
    with pytest.raises(MissingError, match="another sha256"):
        download([f"{server}/wrong"], SHA, target, what="the file")
    assert [path.name for path in target.parent.iterdir() if path.suffix != ".lock"] == []


def test_offline_says_what_is_missing_and_where_it_goes(target: Path) -> None:
    with pytest.raises(MissingError) as caught:
        download(["http://127.0.0.1:9/a", "http://127.0.0.1:9/b"], SHA, target, what="the file")
    message = str(caught.value)
    assert message.startswith("the file is not on this machine and can't be downloaded")
    assert message.endswith(f"put the file with sha256 {SHA} at {target}")
    assert message.count("127.0.0.1:9: ") == 2


def test_a_wrong_file_offline_is_said_to_be_wrong(target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"old")
    with pytest.raises(MissingError, match="the file has other content than expected"):
        download(["http://127.0.0.1:9/a"], SHA, target, what="the file")
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize("place", [0, len(CONTENT) // 2, -1])
def test_a_damaged_file_is_fetched_again_and_that_is_said(
    server: str, target: Path, caplog: pytest.LogCaptureFixture, place: int
) -> None:
    assert fetched(target, f"{server}/good") == CONTENT
    assert caplog.messages == []
    damaged = bytearray(CONTENT)
    damaged[place] ^= 1
    target.write_bytes(bytes(damaged))
    assert fetched(target, f"{server}/good") == CONTENT
    assert caplog.messages == [f"the file at {target} was damaged: downloaded again"]


def test_a_folder_that_can_not_be_made_is_one_sentence(server: str, tmp_path: Path) -> None:
    (tmp_path / "blocked").write_bytes(b"")
    with pytest.raises(DataError, match="the file can't be saved as .*; make room"):
        download([f"{server}/good"], SHA, tmp_path / "blocked" / "file.bin", what="the file")


def test_progress_ends_at_the_size(server: str, target: Path) -> None:
    told: list[tuple[int, int]] = []
    download([f"{server}/good"], SHA, target, what="the file", progress=lambda *step: told.append(step))
    assert told[-1] == (len(CONTENT), len(CONTENT))
