"""Ray: a cluster of two nodes on this machine, of which a worker and then a whole node are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dreamforge.sweep.folder import Sweep
from tests.sweep.conftest import JOBS, assets, steps_done, wait_for

pytest.importorskip("ray")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("RAY_worker_niceness", "0")  # as kind as Ray's workers are, other tests would starve them
    from ray.cluster_utils import Cluster

    quiet = {"include_dashboard": False, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **quiet})
    cluster.extra = cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    yield cluster
    cluster.shutdown()


def busy() -> list[int]:
    """Ray's processes that carry a job out now."""
    named = [path for path in Path("/proc").glob("[0-9]*/cmdline") if path.read_bytes().startswith(b"ray::_carry_out")]
    return [int(path.parent.name) for path in named]


def test_workers_and_nodes_that_die_lose_nothing(cluster: Any, sweep: Sweep, undisturbed: dict[str, bytes]) -> None:
    """Would miss runs begun anew (their steps would fall back) and files that differ in a bit."""
    arguments = ["sweep", "resume", str(sweep.folder), "--engine", "ray", "--address", cluster.address]
    process = subprocess.Popen([sys.executable, "-m", "dreamforge.cli", *arguments], stdout=-1, stderr=-1, text=True)
    wait_for(lambda: all(steps_done(sweep, job) >= 2 for job in JOBS), 240)
    killed = min(steps_done(sweep, job) for job in JOBS)
    os.kill(busy()[0], signal.SIGKILL)
    wait_for(lambda: all(steps_done(sweep, job) >= killed + 2 for job in JOBS), 240)
    cluster.remove_node(cluster.extra, allow_graceful=False)
    said, complaints = process.communicate(timeout=240)
    assert process.returncode == 0, complaints
    assert "2 finished" in said and assets(sweep) == undisturbed
    for job in JOBS:
        lines = (sweep.run_folder(job) / "metrics.jsonl").read_text()
        assert lines.count('"step": 0,') == 2  # once in each stage: nothing was begun anew
