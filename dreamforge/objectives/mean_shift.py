"""Mean-shift distillation."""

from __future__ import annotations

from functools import partial

from torch import Generator, Tensor

from dreamforge.components import Count
from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.priors.guidance import guided
from dreamforge.priors.sampling import denoise


def mean_shift(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 7.5, steps: Count = 20, generator: Generator,
) -> Distilled:
    """Mean-shift distillation (arXiv 2502.15989): g = z - y, y ~ p(y) N(y; z, l²), a step to the mean of p near z.

    That product is the posterior of y when z is y seen through noise l, so for l = sigma_bar_t a sample of it is z
    taken for the noised picture at t and denoised in DDIM steps with fresh noise. The paper samples it otherwise: from
    pure noise, with the kernel's pull added to the score (known from a summary only, as are its l, which falls, and its
    interval of guidance). Timesteps should fall with progress (`annealed`). On N(m, rho²), E g = (z - m) l² /
    (l² + rho²). eps is not used. Two evaluations a view for each step, in sequence.
    """
    predict = partial(guided, prior, prompt=prompt, scale=guidance)
    noised = prior.noise.alpha_sigma(t, z)[0] * z
    return Distilled(grad=z - denoise(prior.noise, predict, noised, t, steps, generator))
