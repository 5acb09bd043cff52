"""Processes that torchrun starts train one model: same weights on all, from everybody's pictures, written once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("diffusers")

MEMBER = """
import json, sys
from pathlib import Path
import torch
from dreamforge.ember import networks
from dreamforge.ember.fit import Budget, fit
from dreamforge.ember.tasks.vae import VaeTask
from dreamforge.ember.team import Team

torch.set_num_threads(1)
team, folder, seen = Team.joined(False), Path(sys.argv[1]), []
make = networks.autoencoder
networks.autoencoder = lambda: make(width=8)

class Task(VaeTask):
    batch, size = 4, 32

    def losses(self, examples, random):
        seen.append(examples.captions)
        return super().losses(examples, random)

torch.manual_seed(0)
task = Task(folder, torch.device("cpu"))
said = []
state = fit("vae", task, folder, Budget(torch.device("cpu"), 1, 1, 0, 10.0, steps=2, team=team), 0, said.append)
weights = sum(float(value.double().abs().sum()) for value in task.model.parameters())
weight = torch.ones(3, requires_grad=True)
(weight * (1 + team.rank)).sum().backward()
team.average_gradients([weight])
told = {"seen": seen, "weights": weights, "pictures": state.pictures, "said": len(said), "mean": weight.grad.tolist(),
        "agreed": team.agreed(5.0 + team.rank, torch.device("cpu"))}
(folder / f"told-{team.rank}.json").write_text(json.dumps(told))
"""


def test_a_team_has_one_model_and_more_pictures(tmp_path: Path) -> None:
    member = tmp_path / "member.py"
    member.write_text(MEMBER)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", str(member), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (json.loads((tmp_path / f"told-{rank}.json").read_text()) for rank in range(2))
    assert first["weights"] == second["weights"] and first["seen"] != second["seen"]
    assert first["pictures"] == second["pictures"] == 16
    assert first["said"] == 2 and second["said"] == 0  # only the first speaks
    assert first["mean"] == second["mean"] == [1.5] * 3
    assert first["agreed"] == second["agreed"] == 5.0
    assert (tmp_path / "vae.safetensors").is_file() and (tmp_path / "vae/config.json").is_file()
