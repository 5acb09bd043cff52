"""The exact denoiser of a finite set of posed pictures.

With a bank rendered from a known object, score distillation must give that object back: the end-to-end test of
cameras, renderers, gradients, colour and export.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.components import Count, NonNegative
from dreamforge.contracts import Condition
from dreamforge.errors import UserError
from dreamforge.priors.mixture import Bank, PictureMixture
from dreamforge.priors.noise import NoiseProcess
from dreamforge.samplers import read_transforms


class Empirical(PictureMixture):
    """A Gaussian of width `bandwidth` about each picture of a folder, seen from near the asked camera.

    folder: RGBA pictures and transforms.json (`dreamforge toyworld bank` writes one). neighbours: how many of the
    nearest views are in the mixture. bandwidth: standard deviation about each picture, in units of z.
    Prompts are ignored, since the folder is what is wanted; without cameras every picture counts. An image prompt
    changes nothing: all the pictures show one object, so what its front looks like favours none of them.
    """

    provides = frozenset({"guidance", "gradient", "image"})

    def __init__(
        self,
        *,
        device: torch.device = torch.device("cpu"),
        folder: str = "",
        neighbours: Count = 8,
        bandwidth: NonNegative = 0.02,
    ) -> None:
        self.noise, self.device = NoiseProcess.stable_diffusion(), device
        self.neighbours, self.bandwidth = neighbours, bandwidth
        files, self.cameras = read_transforms(Path(folder))
        self.bank = torch.stack([_premultiplied(file) for file in files])  # [K,4,H,W]

    def check(self, prompt: str) -> None:
        """Any prompt will do: it is not used."""

    def condition(
        self,
        prompts: Sequence[str],
        cameras: Cameras | None = None,
        background: Tensor | None = None,
        image: Tensor | None = None,
    ) -> Condition:
        """What to tell the model; see `dreamforge.contracts.Prior`."""
        count = len(prompts)
        if cameras is None:
            rgba = self.bank.expand(count, *self.bank.shape)
        else:
            here = torch.nn.functional.normalize(cameras.position.cpu(), dim=-1)
            there = torch.nn.functional.normalize(self.cameras.position, dim=-1)
            nearest = (here @ there.T).topk(min(self.neighbours, len(there)), dim=1).indices  # [B,N]
            rgba = self.bank[nearest]
            if rgba.shape[-2:] != (cameras.height, cameras.width):
                size = (cameras.height, cameras.width)
                flat = torch.nn.functional.interpolate(rgba.flatten(0, 1), size=size, mode="area")
                rgba = flat.view(count, -1, *flat.shape[1:])
        background = torch.ones(count, 3, device=self.device) if background is None else background
        return Condition(Bank.of(rgba, background))


def _premultiplied(file: Path) -> Tensor:
    """`[4,H,W]` in [0,1], colour multiplied by alpha."""
    try:
        pixels = np.asarray(Image.open(file).convert("RGBA"), dtype=np.float32) / 255
    except OSError as error:
        raise UserError(f"cannot read the picture {file}: {error}") from error
    rgba = torch.from_numpy(pixels).permute(2, 0, 1)
    return torch.cat([rgba[:3] * rgba[3:], rgba[3:]])
