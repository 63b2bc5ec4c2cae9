from __future__ import annotations

import os

import pytest
import torch
from forks import together

from genkit.training import distributed, meeting


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_if_the_user_stops_one_process_before_they_have_met_the_others_stop_too_but_not_those_that_begin_later(
    tmp_path, monkeypatch
):
    """As under torchrun, which starts them again with the store that they had."""

    begun, gone, while_meeting = tmp_path / "begun", tmp_path / "gone", meeting._while_meeting
    os.mkfifo(begun)  # opening one waits until the other end is opened
    os.mkfifo(gone)

    def looking():
        begun.write_text("")
        gone.read_text()
        yield from while_meeting()

    def stopped():
        begun.read_text()
        yield
        raise KeyboardInterrupt

    def work(rank):
        with distributed.joined():
            distributed.barrier()

    def work_of_which_one_is_stopped(rank):
        meeting._while_meeting = stopped if rank == 1 else looking
        try:
            work(rank)
        finally:
            if rank == 1:
                gone.write_text("")

    monkeypatch.setattr(meeting, "_meeting_point", lambda: torch.distributed.FileStore(str(tmp_path / "store")))
    assert together(work_of_which_one_is_stopped) == [130, 1]
    assert together(work) == [0, 0]
