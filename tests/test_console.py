"""What a terminal shows while a run runs."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace

import rich.console
import torch

from dreamforge import config
from dreamforge.console import Console
from dreamforge.optimize import Step


def test_the_live_line_shows_stage_step_speed_and_loss() -> None:
    shown = io.StringIO()
    console = Console()
    console._err = rich.console.Console(file=shown, force_terminal=True, width=150)
    loaded, _ = config.load("splats", ["stages.0.steps=5"], prompt="a [red] cat")
    with console.run(SimpleNamespace(config=loaded, folder="outputs/x")):
        for step in range(5):
            console.figures({"loss": 0.123})
            console.step(0, Step(step, {"loss": torch.tensor(0.123)}))
        console._progress.refresh()
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.getvalue())
    for expected in ("a [red] cat", "stage 1/2 form", "5/5", "it/s", "eta", "loss 0.123"):
        assert expected in text, expected
