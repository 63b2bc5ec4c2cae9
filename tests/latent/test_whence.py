"""Where a picture is from, after it was copied, re-encoded or forged, and whether it is drawn again. Tests again, too."""

from __future__ import annotations

import dataclasses
import io
import json
import shlex
import shutil
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import genkit
from genkit.cli import main
from genkit.errors import DataError, MissingError, UsageError
from genkit.files.picture_metadata import OWN, XMP, read_metadata, with_texts
from genkit.latent import pictures
from genkit.results.origin import read_origin

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TINY = {
    "cgan": {"width": 4},
    "vq-gpt": {"layers": 1, "width": 16, "heads": 2, "channels": 8},
    "vae": {},
    "prompts": {"layers": 1, "width": 16, "heads": 2, "channels": 8, "text": "bytes"},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def trained(digits, runs):
    models = {"prompts": "vq-gpt"}
    return {
        name: genkit.train(models.get(name, name), digits, images=640, options=how, root=runs)
        for name, how in TINY.items()
    }


@pytest.fixture
def grid(trained, tmp_path):
    path = tmp_path / "grid.png"
    genkit.sample(trained["cgan"], 12, seed=3, sampling={"truncation": 0.5}, grid=path)
    return path


def origin_of(path):
    return read_origin(read_metadata(io.BytesIO(path.read_bytes())).texts[OWN], str(path))


def forged(path, **changes):
    """A picture that says something else than genkit wrote into it."""
    origin = dataclasses.asdict(origin_of(path))
    with Image.open(path) as image:
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
    path.write_bytes(with_texts(buffer.getvalue(), {OWN: json.dumps({**origin, **changes})}))
    return path


def rewritten(data):
    """The same PNG with its pixels packed anew into several chunks, as optimisers write it."""
    chunks, place, packed = [], 8, b""
    while place < len(data):
        size, kind = struct.unpack(">I", data[place : place + 4])[0], data[place + 4 : place + 8]
        body, place = data[place + 8 : place + 8 + size], place + size + 12
        if kind == b"IDAT":
            packed += body
            continue
        if kind == b"IEND":
            again = zlib.compress(zlib.decompress(packed), 9)
            half = len(again) // 2
            chunks += [(b"IDAT", again[:half]), (b"IDAT", again[half:])]
        chunks.append((kind, body))
    whole = [struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks]
    return data[:8] + b"".join(whole)


def test_run_seed_and_weights_of_a_picture_are_found_and_it_is_drawn_again(grid, runs, trained):
    found = genkit.whence(grid, runs=runs, draw=True)
    assert found.ok and found.same_pixels is True
    assert (found.run, found.checkpoint) == (str(trained["cgan"].path), str(trained["cgan"].newest_checkpoint()))
    assert (found.origin.seed, found.origin.sampling["truncation"], found.origin.count) == (3, 0.5, 12)
    assert "pixels" in str(found) and "genkit-gans:cgan trained on digits" in str(found)
    assert json.loads(json.dumps(found.to_json()))["origin"]["run"] == trained["cgan"].id


@pytest.mark.parametrize("how", ["copied", "saved by Pillow", "packed anew"])
def test_lossless_copies_are_found_too(how, grid, runs, tmp_path):
    copy = tmp_path / "copy.png"
    if how == "copied":
        shutil.copy(grid, copy)
    elif how == "packed anew":
        copy.write_bytes(rewritten(grid.read_bytes()))
    else:
        with Image.open(grid) as image:
            info = PngInfo()
            for key, text in image.text.items():
                info.add_itxt(key, text)
            image.save(copy, pnginfo=info, optimize=True)
    assert copy.read_bytes() != grid.read_bytes() or how == "copied"
    found = genkit.whence(copy, runs=runs, draw=True)
    assert found.ok and found.same_pixels and found.checkpoint


def test_a_copy_as_jpeg_says_nothing_and_that_is_said(grid, runs, tmp_path):
    with Image.open(grid) as image:
        image.save(tmp_path / "copy.jpg")
    found = genkit.whence(tmp_path / "copy.jpg", runs=runs)
    assert found.says_nothing and not found.ok
    assert "does not say where it is from" in str(found) and "\n" not in str(found)
    with pytest.raises(DataError, match="leave --draw out"):
        genkit.whence(tmp_path / "copy.jpg", draw=True)


def test_pictures_without_metadata_say_nothing(trained, tmp_path):
    genkit.sample(trained["cgan"], 2, grid=tmp_path / "a.png", metadata=False)
    genkit.sample_to_folder(trained["cgan"], tmp_path / "out", 1, metadata=False)
    genkit.interpolate(trained["cgan"], 1, 2, grid=tmp_path / "b.png", metadata=False)
    for path in (tmp_path / "a.png", tmp_path / "b.png", tmp_path / "out" / "000000.png"):
        assert genkit.whence(path).says_nothing


def test_one_image_of_a_batch_is_drawn_again_with_its_own_place(trained, runs, tmp_path):
    drawn = {"seed": 7, "label": "4", "sampling": {"guidance": 1.5, "top_k": 5, "temperature": 0.9}}
    genkit.sample_to_folder(trained["vq-gpt"], tmp_path / "out", 253, **drawn)
    path = tmp_path / "out" / "000252.png"  # of the second chunk
    found = genkit.whence(path, runs=runs, draw=True)
    assert found.same_pixels and found.origin.first == 252
    assert found.origin.sampling["guidance"] == 1.5 and "CFG scale: 1.5" in found.parameters
    with Image.open(path) as image, Image.open(tmp_path / "out" / "000251.png") as other:
        pixels = np.asarray(image)
        assert not np.array_equal(pixels, np.asarray(other))
    assert not genkit.whence(forged(path, first=251), runs=runs, draw=True).ok


PROMPTS = ["a seven", "the digit 3", ""]


def test_pictures_of_prompts_say_them_and_are_drawn_again(trained, runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    genkit.sample(trained["prompts"], 2, prompts=PROMPTS, seed=4, sampling={"guidance": 2}, grid="a.png")
    genkit.interpolate(trained["prompts"], 2, 5, prompts=PROMPTS, seed=4, grid="b.png")
    for picture in ("a.png", "b.png"):
        found = genkit.whence(picture, runs=runs, draw=True)
        assert found.same_pixels, picture
        assert "a seven\nthe digit 3\n" in found.parameters
        monkeypatch.setattr(sys, "argv", shlex.split(found.command))
        with pytest.raises(SystemExit) as stopped:
            main()
        assert not stopped.value.code
        assert origin_of(tmp_path / "again.png") == origin_of(tmp_path / picture)


def test_a_walk_of_an_earlier_version_which_shows_no_prompts_is_drawn_again(trained, runs, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "_heading", lambda prompts, width, channels: np.zeros((0, width, channels), np.uint8))
        genkit.interpolate(trained["prompts"], 2, 5, prompts=PROMPTS, seed=4, grid=tmp_path / "bare.png")
    assert genkit.whence(tmp_path / "bare.png", runs=runs, draw=True).same_pixels


@pytest.mark.parametrize("count", [3, 251])
def test_an_image_of_a_prompt_says_its_own_and_is_drawn_again(count, trained, runs, tmp_path):
    prompts = [f"number {place}" for place in range(count)]
    genkit.sample_to_folder(trained["prompts"], tmp_path / "out", -(-252 // count), prompts=prompts)
    found = genkit.whence(tmp_path / "out" / "000251.png", runs=runs, draw=True)
    assert found.same_pixels and found.origin.own_prompts == (prompts[251 % count],)
    assert len(found.origin.prompts) <= 250
    captions = genkit.open_dataset(f"folder:{tmp_path / 'out'}").train.captions
    assert {text for texts in captions for text in texts} <= set(prompts)


def test_prompts_of_a_model_that_reads_none_are_refused(trained, tmp_path):
    with pytest.raises(UsageError, match="follows no prompts: leave them out, or train"):
        genkit.sample(trained["vq-gpt"], prompts="a seven")
    with pytest.raises(UsageError, match="prompts or classes"):
        genkit.sample(trained["prompts"], prompts="a seven", label=7)
    with pytest.raises(UsageError, match="follows prompts and no classes"):
        genkit.sample(trained["prompts"], label=7)
    with pytest.raises(UsageError, match="give a second one"):
        genkit.interpolate(trained["prompts"], prompts="a seven")
    with pytest.raises(UsageError, match="at least as many steps"):
        genkit.interpolate(trained["prompts"], 1, 2, prompts=PROMPTS)


@pytest.mark.parametrize("name", ["cgan", "vae"])
def test_the_command_that_it_names_draws_the_same_picture(name, trained, runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    genkit.sample(trained[name], 3, seed=2, raw=True, grid="a.png")
    genkit.interpolate(trained[name], 2, 3, seed=2, grid="b.png")
    genkit.traverse(trained[name], dims=[0, 2], steps=3, seed=2, span=2, grid="c.png")
    for picture in ("a.png", "b.png", "c.png"):
        found = genkit.whence(picture, runs=runs, draw=True)
        assert found.same_pixels, picture
        monkeypatch.setattr(sys, "argv", shlex.split(found.command))
        with pytest.raises(SystemExit) as stopped:
            main()
        assert not stopped.value.code
        with Image.open(picture) as image, Image.open("again.png") as again:
            assert np.array_equal(np.asarray(image), np.asarray(again)), picture
        assert origin_of(tmp_path / "again.png") == origin_of(tmp_path / picture)


def test_reconstructions_and_edits_name_their_command_and_show_real_images(trained, runs, tmp_path):
    genkit.reconstruct(trained["vae"], 4, seed=1, grid=tmp_path / "a.png", out=tmp_path / "out")
    genkit.edit(trained["vae"], factor=2, count=2, steps=2, starts=1, grid=tmp_path / "b.png")
    found = genkit.whence(tmp_path / "a.png", runs=runs)
    assert found.source_type == "compositeWithTrainedAlgorithmicMedia" and "genkit reconstruct" in found.command
    assert " -n 4 " in found.command and " --seed 1 " in found.command
    (first, *_) = sorted((tmp_path / "out").iterdir())
    assert genkit.whence(first, runs=runs).source_type == "trainedAlgorithmicMedia"
    assert "--factor 2" in genkit.whence(tmp_path / "b.png", runs=runs).command
    with pytest.raises(DataError, match="needs more than its run"):
        genkit.whence(tmp_path / "a.png", runs=runs, draw=True)
    own = genkit.reconstruct(trained["vae"], images=[first], grid=tmp_path / "c.png")
    assert own.sources == (str(first),)
    found = genkit.whence(tmp_path / "c.png", runs=runs)
    assert found.origin.given == 1 and "IMAGE..." in found.command and "give these to the command" in str(found)


def test_a_grid_of_training_says_so(trained, runs):
    found = genkit.whence(trained["cgan"].path / "samples.png", runs=runs)
    assert found.origin.kind == "preview" and found.origin.images == 640 and not found.command
    assert found.checkpoint == str(trained["cgan"].newest_checkpoint())
    earlier = sorted((trained["cgan"].path / "samples").iterdir())[0]
    assert genkit.whence(earlier, runs=runs).origin.checkpoint_sha256 == ""
    assert "a grid that training drew after" in str(genkit.whence(earlier, runs=runs))


def test_a_run_that_is_not_there_or_has_other_weights_is_said(grid, trained, tmp_path):
    found = genkit.whence(grid, runs=tmp_path / "none")
    assert found.ok and not found.run and "was not found by its hash" in str(found)
    with pytest.raises(MissingError, match="its run is not there"):
        genkit.whence(grid, runs=tmp_path / "none", draw=True)
    copy = tmp_path / "runs" / "digits" / "cgan" / "beef"
    shutil.copytree(trained["cgan"].path, copy)
    assert genkit.whence(grid, runs=tmp_path / "runs").run == str(copy)  # a copy has the same hash
    for path in (copy / "checkpoints").iterdir():
        path.unlink()
    found = genkit.whence(grid, runs=tmp_path / "runs")
    assert found.run == str(copy) and not found.checkpoint and "no longer has these weights" in str(found)
    with pytest.raises(MissingError, match="its run no longer has these weights: leave --draw out"):
        genkit.whence(grid, runs=tmp_path / "runs", draw=True)


def test_a_given_run_that_did_not_draw_it_contradicts(grid, trained, runs):
    assert genkit.whence(grid, run=trained["cgan"]).ok
    found = genkit.whence(grid, run=trained["vae"].path, runs=runs)
    assert not found.ok and f"run {trained['vae'].path} did not draw it" in str(found)
    assert "name the run by --run" not in str(found)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "genkit-gans:r3gan"}, "it says the model genkit-gans:r3gan, and its run says genkit-gans:cgan"),
        ({"model": "x" * 100_000}, "it says the model xxx"),
        ({"dataset": "mnist"}, "it says the data set mnist, and its run says digits"),
        ({"dataset_sha256": "0" * 64}, "it says the hash of the data 000"),
        ({"first": 7}, "it says that it begins with image 7, and a grid begins with image 0"),
    ],
)
def test_what_a_run_or_a_grid_contradicts_is_said(changes, said, grid, runs):
    found = genkit.whence(forged(grid, **changes), runs=runs)
    assert not found.ok and said in str(found) and len(str(found)) < 5000


def test_a_checkpoint_that_a_picture_names_is_shown_by_its_own_name(grid, runs):
    found = genkit.whence(forged(grid, checkpoint="../../../etc/passwd"), runs=runs)
    assert "passwd" not in str(found) and "step-" in str(found)


def test_changed_pixels_are_found(grid, runs, monkeypatch):
    texts = read_metadata(io.BytesIO(grid.read_bytes())).texts
    with Image.open(grid) as image:
        pixels = np.asarray(image).copy()
    pixels[20, 20] ^= 1
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    grid.write_bytes(with_texts(buffer.getvalue(), texts))
    monkeypatch.setattr("genkit.latent.whence.describe", lambda: {"torch": "9.9"})
    found = genkit.whence(grid, runs=runs, draw=True)
    assert found.same_pixels is False and not found.ok and "and this is 9.9" in str(found)
    assert "of the pixels differ, by up to 1 of 255 levels" in str(found)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"count": 1 << 61}, "no longer of the size"),
        ({"count": 0}, "no longer of the size"),
        ({"size": [0, 0]}, "no longer of the size"),
        ({"arguments": {"label": 1.5}}, "its class is 1.5"),
        ({"arguments": {"label": "no such"}}, "there is no class named 'no such'"),
        ({"size": (0, 0)}, "no longer of the size"),
        ({"sampling": {"nonsense": 1}}, "does not draw with 'nonsense'"),
        ({"kind": "interpolate", "arguments": {"walks": 10**9, "steps": 3}}, "no longer of the size|names no number"),
        ({"kind": "interpolate", "arguments": {"walks": 9_999, "steps": 10}}, "no longer of the size"),
        ({"kind": "traverse", "arguments": {"dims": [0] * 9_999, "steps": 10, "span": 3}}, "no longer of the size"),
        ({"kind": "traverse", "arguments": {"dims": [], "steps": 10, "span": 3}}, "no longer of the size"),
        ({"kind": "traverse", "arguments": {}}, "names no number of steps"),
        ({"kind": "traverse", "arguments": {"steps": 10}}, "along which dimensions"),
    ],
)
def test_forged_origins_are_refused_in_a_sentence(changes, error, grid, runs):
    with pytest.raises((DataError, UsageError), match=error):
        genkit.whence(forged(grid, **changes), runs=runs, draw=True)


def test_what_a_forged_picture_says_neither_runs_nor_reaches_the_terminal(grid, runs):
    found = genkit.whence(forged(grid, run="$(rm -rf .)\x1b[2J", run_sha256="0", checkpoint="../../x"), runs=runs)
    assert "'--run=$(rm -rf .)" in found.command
    assert "\x1b" not in str(found)
    broken = forged(grid, seed=-1)
    found = genkit.whence(broken, runs=runs)
    assert not found.ok and not found.says_nothing and "in a text that can't be read" in str(found)
    assert "not by genkit" not in str(found)


def test_pictures_of_other_generators_are_said_to_be(tmp_path):
    info = PngInfo()
    info.add_text("parameters", "a red 3\nNegative prompt: blue\nSteps: 20, Sampler: Euler a, Seed: 1")
    image = Image.fromarray(np.zeros((8, 8), np.uint8))
    image.save(tmp_path / "a.png", pnginfo=info)
    found = genkit.whence(tmp_path / "a.png")
    assert found.ok and "generated, as it says (parameters), but not by genkit" in str(found)
    assert "Steps: 20" in str(found)
    comfy = PngInfo()
    comfy.add_text("prompt", '{"3": {"class_type": "KSampler"}}')
    image.save(tmp_path / "b.png", pnginfo=comfy)
    assert "(ComfyUI)" in str(genkit.whence(tmp_path / "b.png"))
    camera = PngInfo()
    camera.add_itxt(XMP, f'<x e:DigitalSourceType="{IPTC}digitalCapture"/>')
    image.save(tmp_path / "c.png", pnginfo=camera)
    found = genkit.whence(tmp_path / "c.png")
    assert found.ok and "not generated, as far as it says" in str(found) and "taken by a camera" in str(found)


def test_what_is_no_picture_is_an_error(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(DataError, match="is not a PNG"):
        genkit.whence(tmp_path / "a.txt")
    with pytest.raises(MissingError):
        genkit.whence(tmp_path / "none.png")


def test_a_forged_argument_is_no_option_of_the_command(grid, runs):
    found = genkit.whence(forged(grid, arguments={"label": None, "checkpoint": "evil.safetensors"}), runs=runs)
    assert not found.ok and found.command == ""
    assert "genkit sample has no argument 'checkpoint'" in " ".join(found.notes)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_prompts_of_any_letters_survive_the_copied_command(trained, runs, tmp_path):
    asked = ["two\nlines", "tab\tand \x1b[31m", "it's \\n", "\u202eright to left", "\U0001f600 \U000e0041", ""]
    genkit.sample(trained["prompts"], 1, prompts=asked, grid=tmp_path / "a.png")
    found = genkit.whence(tmp_path / "a.png", runs=runs)
    (shown,) = (line for line in str(found).splitlines() if "draw again" in line)
    command = shown.partition("draw again")[2].strip()
    said = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {command.removeprefix('genkit ')}"],
        capture_output=True,
        check=True,
        env={"LC_ALL": "C.UTF-8"},
    )
    words = said.stdout.decode().split("\0")
    assert [word.removeprefix("--prompt=") for word in words if word.startswith("--prompt=")] == asked


@pytest.mark.parametrize("prompt", ["a\0b", "bad \udcff"])
def test_prompts_that_no_file_can_hold_are_refused(prompt, trained, tmp_path):
    with pytest.raises(UsageError, match="is no text: leave out zero bytes"):
        genkit.sample(trained["prompts"], 1, prompts=[prompt], grid=tmp_path / "a.png")


def test_a_command_has_the_options_that_there_are(trained, tmp_path):
    genkit.interpolate(trained["prompts"], prompts=["a 3", "a 8"], steps=3, walks=1, grid=tmp_path / "a.png")
    assert " -o " not in genkit.whence(tmp_path / "a.png", runs=tmp_path / "none").command


def test_a_text_that_can_not_be_read_is_said_with_draw_too(grid, runs):
    with pytest.raises(DataError, match="schema"):
        genkit.whence(forged(grid, schema=99), runs=runs, draw=True)


def test_a_prompt_that_looks_like_an_option_is_none(trained, runs, tmp_path):
    genkit.sample(trained["prompts"], 1, prompts=["--gif x"], grid=tmp_path / "a.png")
    assert "'--prompt=--gif x'" in genkit.whence(tmp_path / "a.png", runs=runs).command


@pytest.mark.filterwarnings("ignore:the prompt")
def test_long_prompts_can_be_read_back_and_too_long_ones_are_refused(trained, runs, tmp_path):
    prompts = ["\U0001f600" * 1000] * 40
    genkit.sample(trained["prompts"], 1, prompts=prompts, grid=tmp_path / "a.png")
    assert genkit.whence(tmp_path / "a.png", runs=runs, draw=True).same_pixels
    with pytest.raises(UsageError, match="give them in parts"):
        genkit.sample(trained["prompts"], 1, prompts=["x" * 300_000])


def test_a_grid_that_nothing_opens_is_refused_before_it_is_drawn(trained, tmp_path):
    with pytest.raises(UsageError, match="ask for fewer, or write single files with --out"):
        genkit.sample(trained["prompts"], 1, prompts=[f"{number}" for number in range(9000)], grid=tmp_path / "a.png")
