"""Work in processes: what is lost when one dies, and what when all are told to stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from dreamforge.processes import each
from dreamforge.stopping import Interrupted, StopSignals


def tried(folder: Path, item: int) -> tuple[int, int, int]:
    """Notes each try; item 1 dies at every one, item 2 at the first."""
    with open(folder / str(item), "a") as tries:
        tries.write("x")
    if item == 1 or (item == 2 and len((folder / "2").read_text()) == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return item, os.getpid(), torch.get_num_threads()


def test_a_process_that_dies_loses_nothing_but_what_kills_it(tmp_path: Path) -> None:
    """One slot: 0 and 3 are done although 1 kills three processes between them; 2 is done in the second."""
    found = dict(each(partial(tried, tmp_path), [0, 1, 2, 3], "again", at_once=1))
    assert found[1] is None and [found[item][0] for item in (0, 2, 3)] == [0, 2, 3]
    assert [len((tmp_path / str(item)).read_text()) for item in range(4)] == [1, 3, 2, 1]
    assert found[2][1] == found[3][1] != found[0][1]  # a process goes on from item to item
    assert {found[item][2] for item in (0, 2, 3)} == {1}


def stopped(folder: Path, item: int) -> None:
    """A run that stops at its next step when told to."""
    with StopSignals() as stop:
        (folder / f"begun-{item}").touch()
        while not stop.signum:
            time.sleep(0.01)
    raise Interrupted(stop.signum, "resume")


def test_told_to_stop_it_lets_what_runs_come_to_an_end_and_begins_nothing_else(tmp_path: Path) -> None:
    def stop_when_begun() -> None:
        while not (tmp_path / "begun-0").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_when_begun).start()
    with pytest.raises(Interrupted) as caught:
        assert list(each(partial(stopped, tmp_path), [0, 1], "go on", at_once=1)) == []
    assert (caught.value.signum, caught.value.go_on) == (signal.SIGTERM, "go on")
    assert not (tmp_path / "begun-1").exists()
