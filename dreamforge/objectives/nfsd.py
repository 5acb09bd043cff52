"""Noise-free score distillation."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamforge.components import Fraction
from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.objectives.paths import Weight
from dreamforge.priors.guidance import ask


def nfsd(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 7.5, threshold: Fraction = 0.2, weight: Weight = "sigma2",
) -> Distilled:
    """NFSD (arXiv 2310.17590): g = w(t) (d + s (eps_pos - eps_0)), d = eps_0 at low noise and eps_0 - eps_neg above.

    d points to likely pictures without the noise that SDS leaves in: below `threshold` (a fraction of T) there is
    little of it, above the negative prompt's prediction stands in for it. So it wants a negative prompt that describes
    bad pictures: "unrealistic, blurry, low quality, out of focus, ugly, low contrast, dull, dark, low-resolution,
    gloomy". With an empty one it is CSD above the threshold. Confirmed against third-party code and a review only (the
    authors have released none). Three evaluations a view in one forward.
    """
    asked = ask(prior, prior.noise.add(z, eps, t), t, prompt, [prompt.negative], away=prompt.empty)
    low = (t < threshold * prior.noise.steps).view(-1, *(1,) * (z.dim() - 1))
    denoise = asked.negative - torch.where(low, 0, asked.others[0])
    return Distilled(grad=prior.noise.weight(weight, t, z) * (denoise + guidance * asked.direction))
