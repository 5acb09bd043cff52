"""The autoencoder: pictures to latents of zero mean and unit deviation, smooth enough to diffuse and to distil through."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from dreamforge.ember import networks
from dreamforge.ember.data import Examples
from dreamforge.ember.fit import Random, Task
from dreamforge.pictures import contact_sheet
from dreamforge.toyworld import render_pairs

LATENT_NOISE, MOMENTS = 0.1, 0.1


class VaeTask(Task):
    """Writes vae/."""

    views, size, batch, lr, muon, reuse, bf16 = 1, 64, 8, 1.5e-3, 3e-3, 2, True

    def __init__(self, folder: Path, device: torch.device) -> None:
        self.model = networks.autoencoder().to(memory_format=torch.channels_last)
        _standardize(self.model, 2 * render_pairs(32, seed=0, size=64).pictures - 1)

    def losses(self, examples: Examples, random: Random) -> dict[str, Tensor]:
        """Absolute and squared error of what is decoded from latents with a little noise; and how far the latents'
        moments are from 0 and 1."""
        device = self.model.device
        pictures = (2 * examples.pictures(device) - 1).contiguous(memory_format=torch.channels_last)
        z = self.model.encode(pictures).latents
        shaken = z + LATENT_NOISE * torch.randn(z.shape, generator=random("noise")).to(device)
        decoded = self.model.decode(shaken).sample
        error = (decoded - pictures).float()
        mean, variance = z.float().mean((0, 2, 3)), z.float().var((0, 2, 3))
        moments = mean.square().mean() + (variance - 1).square().mean()
        mse = error.square().mean()
        return {
            "loss": error.abs().mean() + 2 * mse + MOMENTS * moments,
            "psnr": -10 * torch.log10(mse.detach() / 4),
            "moments": moments.detach(),
        }

    @torch.no_grad()
    def picture(self) -> Tensor:
        """Pictures never seen, above what comes back."""
        pictures = render_pairs(8, seed=1, size=self.size).pictures.to(self.model.device)
        back = self.model.decode(self.model.encode(2 * pictures - 1).latents).sample
        return contact_sheet(torch.cat([pictures, 0.5 * back + 0.5]).clamp(0, 1), 8)

    def write(self, folder: Path) -> None:
        """In single precision: the pipelines that hold it are saved in half."""
        self.model.save_pretrained(folder / "vae")


@torch.no_grad()
def _standardize(model: nn.Module, pictures: Tensor) -> None:
    """Scale the encoder's last layer so that latents begin at mean 0 and deviation 1: the noise would drown fainter ones."""
    z, last = model.encode(pictures).latents, model.encoder.layers[-1]
    mean, std = z.mean((0, 2, 3)), z.std((0, 2, 3))
    last.weight /= std[:, None, None, None]
    last.bias.copy_((last.bias - mean) / std)
