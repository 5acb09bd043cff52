"""Ember in miniature: its real tasks on networks of a few thousand weights, trained for two steps each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

pytest.importorskip("diffusers")

from dreamforge.ember import networks
from dreamforge.ember.fit import Budget, fit
from dreamforge.ember.sampling import pictures
from dreamforge.ember.tasks import TASKS, adapter, multiview, unet

CPU = torch.device("cpu")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small only wait for a second thread, on a busy machine for long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with everything that `dreamforge ember train` writes."""
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        folder = tmp_path_factory.mktemp("ember")
        for name, task in TASKS.items():
            torch.manual_seed(0)
            fit(name, task(folder, CPU), folder, budget(steps=2), 0, lambda text: None)
        yield folder


def shrink(patch: pytest.MonkeyPatch) -> None:
    """Small networks, batches and pictures, in every task."""
    patch.setattr(networks, "autoencoder", partial(networks.autoencoder, width=8))
    patch.setattr(networks, "unet", partial(networks.unet, widths=(32, 64)))
    patch.setattr(networks, "clip", partial(networks.clip, width=32, layers=1))
    for module in (unet, multiview, adapter):
        patch.setattr(module, "pictures", partial(pictures, steps=1))
    for module in (unet, multiview):
        patch.setattr(module, "PROMPTS", ("a red car", "a corgi"))
    for task in TASKS.values():
        patch.setattr(task, "batch", 4)
        patch.setattr(task, "size", 32, raising=False)


def budget(steps: int) -> Budget:
    return Budget(CPU, 1, 1, 0, minutes=10.0, steps=steps)
