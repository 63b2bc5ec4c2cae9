from __future__ import annotations

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from genkit.errors import DataError, MissingError, UnknownName
from genkit.features import manifest
from genkit.features.manifest import WEIGHTS, WeightsFile, add, find, pull, state

CONTENT = bytes(range(256)) * 300


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """A manifest of one file, at a server of this machine."""
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    urls = ("http://127.0.0.1:9/gone", f"http://127.0.0.1:{httpd.server_port}/toy")
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    weights = WeightsFile("toy", "toy.pth", urls, sha256, len(CONTENT), "MIT", "A toy")
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(manifest, "WEIGHTS", (weights,))
    yield weights
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_every_file_has_its_facts_and_a_name_of_its_own():
    assert len({w.name for w in WEIGHTS}) == len({w.file for w in WEIGHTS}) == len({w.sha256 for w in WEIGHTS})
    for weights in WEIGHTS:
        assert re.fullmatch("[0-9a-f]{64}", weights.sha256)
        assert all(url.startswith("https://") for url in weights.urls)
        assert weights.size > 1_000_000
        assert weights.licence == ("Apache-2.0" if weights.urls else "BSD-3-Clause")
        for name in (weights.file, *weights.urls):
            if beginning := re.search("-([0-9a-f]{8})[.]pth$", name):  # publishers put it into the name
                assert weights.sha256.startswith(beginning[1])


def test_a_file_without_a_mirror_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path))
    with pytest.raises(MissingError, match="genkit weights add vgg16 FILE"):
        pull("vgg16")


def test_inceptions_facts_are_those_of_the_installed_references():
    fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    pytorch_fid = pytest.importorskip("pytorch_fid.inception")
    assert find("inception").urls == (fidelity.URL_INCEPTION_V3, pytorch_fid.FID_WEIGHTS_URL)
    for url in find("inception").urls:
        assert find("inception").sha256.startswith(url.removesuffix(".pth").rpartition("-")[2])


def test_a_file_is_pulled_from_the_mirror_that_has_it_and_lies_in_the_cache(toy, tmp_path):
    told = []
    path = pull("toy", lambda *step: told.append(step))
    assert path == toy.path == tmp_path / "cache" / "weights" / "toy.pth"
    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_the_state_of_a_file_is_found_by_hashing_it(toy):
    assert state(toy) == "absent"
    pull("toy")
    assert state(toy) == "ok"
    toy.path.write_bytes(CONTENT[::-1])
    assert state(toy) == "damaged"


def test_a_file_of_ones_own_is_copied_after_its_hash(toy, tmp_path):
    (tmp_path / "mine").write_bytes(CONTENT)
    assert add("toy", tmp_path / "mine") == toy.path
    assert toy.path.read_bytes() == CONTENT
    assert [path.name for path in toy.path.parent.iterdir()] == ["toy.pth"]


def test_a_file_of_another_hash_is_refused_naming_both(toy, tmp_path):
    (tmp_path / "mine").write_bytes(b"other")
    with pytest.raises(DataError) as caught:
        add("toy", tmp_path / "mine")
    assert hashlib.sha256(b"other").hexdigest() in str(caught.value)
    assert toy.sha256 in str(caught.value)
    assert not toy.path.exists()


def test_a_file_that_is_not_there_is_named(toy, tmp_path):
    with pytest.raises(MissingError, match=r"the file .*mine can't be read"):
        add("toy", tmp_path / "mine")


def test_a_cache_that_can_not_be_written_is_one_sentence(toy, tmp_path):
    (tmp_path / "mine").write_bytes(CONTENT)
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(DataError, match="can't be copied to .*: make room there or set GENKIT_CACHE"):
        add("toy", tmp_path / "mine")


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(UnknownName, match="no weights file named 'incepton'. Did you mean 'inception'"):
        find("incepton")


def test_a_name_that_is_near_to_none_gets_them_all():
    with pytest.raises(UnknownName, match="there are inception, dinov2-vit-s-14, dinov2-vit-b-14, dinov2-vit-l-14"):
        find("nope")
