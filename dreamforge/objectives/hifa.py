"""HiFA: score distillation against a picture denoised in several steps."""

from __future__ import annotations

from functools import partial

from torch import Generator, Tensor

from dreamforge.components import Count, NonNegative
from dreamforge.contracts import Distilled, Prior, PromptConditions, Views
from dreamforge.priors.guidance import guided
from dreamforge.priors.pixels import fitted
from dreamforge.priors.sampling import denoise


def hifa(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 100.0, steps: Count = 4, scale: float = 0.05, image_weight: NonNegative = 0.1,
    rendered: Views, generator: Generator,
) -> Distilled:
    """HiFA (arXiv 2305.18766): g = c (z - z0_hat), and on the picture c k (x - D(z0_hat)); z0_hat from several steps.

    z0_hat is denoised from z_t in DDIM steps (eta = 1: each draws new noise) at equal spacing from t down; one step is
    SDS with weight c sigma_bar_t. c: `scale`. k: `image_weight`; D decodes. Meant for timesteps that fall as the root
    of progress from 0.98 to 0.3 (`annealed`, power 0.5), and with the field's penalty "z_variance" at 3, ramped up over
    half of the stage. Two evaluations a view for each step, in sequence, and one decoding.
    """
    predict = partial(guided, prior, prompt=prompt, scale=guidance)
    clean = denoise(prior.noise, predict, prior.noise.add(z, eps, t), t, steps, generator)
    if not image_weight:
        return Distilled(grad=scale * (z - clean))
    picture = fitted(prior.decode(clean), rendered.rgb)
    return Distilled(grad=scale * (z - clean), rgb=scale * image_weight * (rendered.rgb - picture))
