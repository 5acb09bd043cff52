"""Walks through the engine with tensors on a GPU that does not exist; run by test_devices.py in a process of its own.

Tensors here have shapes, types and a device, but no numbers (torch's FakeTensorMode over a made-up device), so what is
wrong on a machine with a GPU fails on one without: operands on two devices, a number read back to the host, a copy to
the device that the host waits for. Prints, as JSON, what each walk ran into ("" where nothing).
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from dreamforge import config as configuration
from dreamforge import kernels, optimize
from dreamforge.cameras import Cameras, orbit
from dreamforge.contracts import Condition, Scene
from dreamforge.kernels import nvrtc
from dreamforge.kernels.capacity import Capacity
from dreamforge.building import build_scene
from dreamforge.priors.mixture import Bank, PictureMixture
from dreamforge.priors.noise import NoiseProcess
from dreamforge.priors.pixels import PixelSpace

_setup_privateuseone_for_python_backend("gpu")
GPU, CPU = torch.device("gpu", 0), torch.device("cpu")


class Watch(TorchDispatchMode):
    """Refuses copies between devices that the host waits for."""

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function is torch.ops.aten._to_copy.default:
            device, source = kwargs.get("device"), args[0].device
            if device is not None and torch.device(device) != source and not kwargs.get("non_blocking"):
                raise RuntimeError(f"a copy from {source} to {device} that the host waits for")
        if function is torch.ops.aten.copy_.default and args[0].device != args[1].device:
            raise RuntimeError(f"a copy from {args[1].device} to {args[0].device} that the host waits for")
        return function(*args, **kwargs)


class Quiet(PixelSpace):
    """A prior on the GPU that predicts no noise."""

    device = GPU

    def __init__(self) -> None:
        self.noise = NoiseProcess.stable_diffusion()

    def condition(self, prompts: Sequence[str], *_: object) -> Condition:
        return Condition(None)

    def predict(self, z_t: Tensor, t: Tensor, conditions: Sequence[Condition]) -> list[Tensor]:
        return [torch.zeros_like(z_t) for _ in conditions]


class Pictures(Quiet, PictureMixture):
    """A prior whose pictures are made on the CPU, for cameras there."""

    bandwidth = 0.1

    def condition(self, prompts: Sequence[str], cameras: Cameras, background: Tensor) -> Condition:
        assert cameras.c2w.device == CPU
        return Condition(Bank.of(torch.zeros(len(prompts), 5, 4, cameras.height, cameras.width), background))

    predict = PictureMixture.predict


def on_gpu(scene: Scene) -> Scene:
    """The scene with its parameters and what lies beside them on the GPU."""
    for part in scene.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            setattr(part, name, nn.Parameter(torch.empty(parameter.shape, device=GPU)))
        for name, buffer in list(part.named_buffers(recurse=False)):
            setattr(part, name, torch.empty(buffer.shape, dtype=buffer.dtype, device=GPU))
    return scene


def renders(recipe: str) -> None:
    """Cameras and backgrounds made on the CPU, as previews and exports have them, show a scene on the GPU."""
    scene, cameras = _scene(recipe), orbit([20.0, 110.0], 15.0, size=32)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        scene = on_gpu(scene)
        cameras = Cameras(mode.from_tensor(cameras.c2w), mode.from_tensor(cameras.fov), 32, 32)
        views = scene.render(cameras, torch.full((2, 3), 0.9))
        assert views.rgb.device == views.depth.device == GPU and views.rgb.shape == (2, 3, 32, 32)
        scene.eval()
        with torch.no_grad():
            assert scene.render(cameras[:1], torch.full((1, 3), 0.9)).alpha.device == GPU


def steps(recipe: str, prior: Callable[[], Any] = Quiet, *overrides: str) -> None:
    """Steps between two logged ones, without densification: nothing is read back, and after the first nothing waits."""
    config, _ = configuration.load(recipe, ["stages.0.size=32", *overrides], prompt="x")
    scene = _scene(recipe, *overrides)
    with FakeTensorMode(allow_non_fake_inputs=True):
        scene = on_gpu(scene)
        progress = optimize.Progress(optimize.make_optimizer(scene), step=1)
        walk = optimize.optimize(config.stages[0], scene, prior(), "x", "", 0, 0, progress, log_every=1000)
        next(walk)
        with Watch():
            for _ in range(9):
                step = next(walk)
        assert all(value.device == GPU for value in step.figures.values())


def _scene(recipe: str, *overrides: str) -> Scene:
    """A scene whose counts, which live on the CPU, are plain numbers."""
    config, _ = configuration.load(recipe, overrides, prompt="x")
    scene = build_scene(config, 0, CPU)
    for name, buffer in list(scene.named_buffers()):
        if buffer.dim() == 0:
            delattr(scene, name)
            setattr(scene, name, int(buffer))
    return scene


SMOOTH = "stages.0.regularizers={laplacian: 1, normal_consistency: 1}"
LIT = "stages.0.scene={name: mesh, texture_size: 64, shading: pbr, point_light: 0.5}"
HASHED = "stages.0.scene={name: mesh, texture_size: 64, appearance: hashgrid}"
WALKS = {
    "a picture of splats": lambda: renders("splats"),
    "a picture of a field": lambda: renders("field"),
    "steps on splats": lambda: steps("splats"),
    "steps on a field": lambda: steps("field"),
    "steps with pictures from the CPU": lambda: steps("splats", Pictures),
    "steps on a lattice": lambda: steps("fantasia3d", Quiet, "stages.0.scene.cells=16"),
    "steps on a lit mesh": lambda: steps("splats", Quiet, LIT, SMOOTH),
    "steps on colours in space": lambda: steps("splats", Quiet, HASHED),
}


def pretend() -> None:
    """Let the CUDA kernels serve the GPU, without running them."""
    nvrtc.run = lambda *_: None
    Capacity.room = lambda self, count, exact: 1000
    kernels.choice = lambda device, kernel, forced="": ("cuda" if device == "gpu" else "torch", "")
    optimize.view_prompts = lambda prompt, cameras, debias: [prompt] * len(cameras)  # which have no numbers


def main() -> None:
    pretend()
    found = {}
    for name in sys.argv[1:] or WALKS:
        try:
            WALKS[name]()
            found[name] = ""
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            place = [frame for frame in frames if "/dreamforge/" in frame.filename or frame.filename == __file__][-1]
            found[name] = f"{place.filename}:{place.lineno}: {place.line}: {type(error).__name__}: {str(error)[:300]}"
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
