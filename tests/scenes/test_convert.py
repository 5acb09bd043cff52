"""From one stage's scene to the next: a run killed on either side of the change ends as if nothing had happened."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dreamforge import pipeline

TINY = [
    "stages.0.steps=6", "stages.0.size=24", "stages.0.scene.count=200", "stages.1.steps=6", "stages.1.size=24",
    "stages.1.scene={name: mesh, resolution: 24, face_count: 200, texture_size: 64, offset_lr: 0.001}", "prior.instances=1", "checkpoint_every=4",
]  # fmt: skip
KILLED = """
import os, signal, sys
import dreamforge
from dreamforge import pipeline
from dreamforge.console import Console

def step(self, stage, what):
    if (stage, what.step) == (1, int(sys.argv[2])):
        os.kill(os.getpid(), signal.SIGKILL)

Console.step = step
pipeline._finish = lambda *_: None
if int(sys.argv[2]) < 0:
    dreamforge.resume(sys.argv[1])
else:
    dreamforge.run("a red car", "dreamgaussian", sys.argv[3:], sys.argv[1])
"""


@pytest.mark.parametrize("at", [2, 5], ids=["before the new scene's first checkpoint", "after it"])
def test_a_run_killed_around_a_change_of_scene_resumes_to_the_same_bytes(
    at: int, tmp_path: Path
) -> None:
    """Would miss a conversion that depends on more than the scene before, and a mesh restored with another shape."""

    def process(name: str, kill_at: int) -> int:  # one each, so that all use as many threads
        command = [sys.executable, "-c", KILLED, str(tmp_path / name), str(kill_at), *TINY]
        return subprocess.run(command, capture_output=True).returncode

    assert process("whole", 99) == 0
    assert process("cut", at) == -signal.SIGKILL
    stopped = pipeline.Run.open(tmp_path / "cut").last_checkpoint()
    assert (stopped.stage, stopped.step) == ((0, 6) if at == 2 else (1, 4))
    assert process("cut", -1) == 0
    whole, cut = (pipeline.Run.open(tmp_path / name).last_checkpoint().tensors for name in ("whole", "cut"))
    assert whole.keys() == cut.keys() and all(torch.equal(whole[key], cut[key]) for key in whole)
    assert not torch.equal(whole["scene.offsets"], torch.zeros_like(whole["scene.offsets"]))
