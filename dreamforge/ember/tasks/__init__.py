"""What is trained, a file each, in the order in which one needs the other. Each writes a folder below the training's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from dreamforge.ember.fit import Task
from dreamforge.ember.tasks.adapter import AdapterTask
from dreamforge.ember.tasks.clip import ClipTask
from dreamforge.ember.tasks.multiview import MultiviewTask
from dreamforge.ember.tasks.unet import UnetTask
from dreamforge.ember.tasks.vae import VaeTask

TASKS: dict[str, Callable[[Path, torch.device], Task]] = {
    "vae": VaeTask, "clip": ClipTask, "unet": UnetTask, "multiview": MultiviewTask, "adapter": AdapterTask,
}  # fmt: skip

SHARES = {"vae": 0.08, "clip": 0.17, "unet": 0.5, "multiview": 0.15, "adapter": 0.1}
"""Of the time, when all are trained."""
