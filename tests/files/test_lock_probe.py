"""Whether locks hold in a folder is found out by trying, and read from what the system says of its mount."""

from __future__ import annotations

import pytest
from unlocked import without_locks

from genkit.files import lock_probe
from genkit.files.lock_probe import why_no_locks


@pytest.fixture(autouse=True)
def mounts(tmp_path, monkeypatch):
    """Mounts as proc(5) describes them; gives a function that adds one."""
    table = tmp_path / "mountinfo"
    table.write_text("24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n")
    monkeypatch.setattr(lock_probe, "MOUNTS", table)

    def add(point, kind, options):
        with table.open("a") as file:
            file.write(f"36 24 0:32 / {point} rw,relatime shared:1 master:2 - {kind} server:/x rw,{options}\n")

    return add


def test_locks_of_a_local_disk_hold_and_the_try_leaves_nothing(tmp_path):
    (tmp_path / "board").mkdir()
    assert why_no_locks(tmp_path / "board") == ""
    assert list((tmp_path / "board").iterdir()) == []


@pytest.mark.parametrize(
    ("flock", "why"),
    [("for show", "one process has is given to another"), ("missing", "has none (Function not implemented)")],
)
def test_locks_that_do_not_hold_are_found_by_trying(tmp_path, monkeypatch, flock, why):
    without_locks(monkeypatch, flock)
    (tmp_path / "board").mkdir()
    assert why in why_no_locks(tmp_path / "board")
    assert list((tmp_path / "board").iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "options", "why"),
    [
        ("nfs", "vers=3,nolock", "nfs, is mounted with nolock"),
        ("nfs4", "vers=4.2,local_lock=flock", "nfs4, is mounted with local_lock=flock"),
        ("nfs4", "vers=4.2,local_lock=none", ""),
        ("lustre", "localflock", "lustre, is mounted with localflock"),
        ("lustre", "flock", ""),
        ("gpfs", "x", "gpfs, may keep locks within one machine"),
        ("beegfs", "x", "beegfs, may keep locks within one machine"),
        ("fuse.sshfs", "user_id=0", "fuse.sshfs, may keep locks within one machine"),
        ("fuse.fuse-overlayfs", "x", ""),
        ("xfs", "x", ""),
    ],
)
def test_locks_that_other_machines_do_not_see_are_told_by_the_mount(tmp_path, mounts, kind, options, why):
    (tmp_path / "a b").mkdir()
    mounts(str(tmp_path).replace(" ", "\\040") + "/a\\040b", kind, options)
    found = why_no_locks(tmp_path / "a b")
    assert found.endswith(why) and bool(found) == bool(why)
    assert why_no_locks(tmp_path) == ""


def test_of_two_mounts_on_one_place_the_later_one_is_seen(tmp_path, mounts):
    mounts(tmp_path, "gpfs", "x")
    mounts(tmp_path, "ext4", "x")
    assert why_no_locks(tmp_path) == ""


def test_a_system_without_a_list_of_mounts_has_what_the_try_finds(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_probe, "MOUNTS", tmp_path / "none")
    assert why_no_locks(tmp_path) == ""
