from __future__ import annotations

import errno
import inspect
import re

import pytest

from genkit import errors


def raised_on_purpose():
    return [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.GenkitError)]


@pytest.mark.parametrize("cls", raised_on_purpose(), ids=lambda cls: cls.__name__)
def test_every_error_is_drawn_in_the_tree_with_its_exit_code(cls):
    drawn = [line.split() for line in errors.__doc__.splitlines() if cls.__name__ in line.split()]
    assert len(drawn) == 1
    words = [word for word in drawn[0] if word.isdigit()]
    assert words == [str(cls.exit_code)]


def test_whatever_is_no_error_is_a_warning():
    others = {cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, Exception)}
    assert others - set(raised_on_purpose()) == {errors.GenkitWarning}
    assert issubclass(errors.GenkitWarning, UserWarning)


def test_unknown_name_suggests_the_nearest():
    message = str(errors.UnknownName("model", "dcgn", ["vae", "dcgan"], "  (genkit models lists 2)"))
    assert message == "no model named 'dcgn'. Did you mean 'dcgan'?  (genkit models lists 2)"


def test_unknown_name_suggests_nothing_far_away():
    assert "mean" not in str(errors.UnknownName("model", "zzz", ["vae", "dcgan"]))


def test_names_are_suggested_in_any_case():
    assert "Did you mean 'dcgan'?" in str(errors.UnknownName("model", "DCGAN", ["vae", "dcgan"]))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/a/b"), "/a/b can't be used: No space left.*; make room"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 5000), "x{100}... can't be used: .*; give a shorter"),
        (OSError(errno.EACCES, "Permission denied", b"/a"), "/a can't be used: Permission denied; check its place"),
        (MemoryError("Unable to allocate 4 GiB"), "memory of this machine is not enough .*4 GiB.*: ask for less"),
    ],
)
def test_errors_of_the_system_are_one_sentence(error, said):
    assert re.search(f"{said}", errors.of_system(error))
    assert len(errors.of_system(error)) < 300
