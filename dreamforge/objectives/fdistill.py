"""VSD weighted for other divergences than the reverse KL."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from dreamforge.components import Fraction
from dreamforge.contracts import Distilled, Phi, Prior, PromptConditions
from dreamforge.objectives.paths import Weight
from dreamforge.priors.guidance import guided
from dreamforge.priors.noise import NoiseProcess

DIVERGENCES = {
    "reverse_kl": torch.ones_like,
    "forward_kl": lambda r: r,
    "jensen_shannon": lambda r: 0.5 * r / (1 + r),
    "pearson": lambda r: 2 * r**2,
    "hellinger": lambda r: 0.5 * r.sqrt(),
    "soft_reverse_kl": lambda r: 1 / (1 + r),
    "neyman": lambda r: 2 / r,
    "jeffreys": lambda r: 1 + r,
}
"""h(r) = r² f''(r) of the f-divergence D_f(p || q), r = p / q: prior over renders."""


def log_ratio(noise: NoiseProcess, t: Tensor, eps: Tensor, prior_eps: Tensor, learned: Tensor) -> Tensor:
    """log p(z) / q(z) per element `[B]`, estimated at one noise level: 1/2 |d logSNR/dt| (|eps_phi - eps|² - |eps_p - eps|²).

    Averaged over t, uniform, and eps it is exact for exact denoisers (the pointwise I-MMSE relation, arXiv 2302.03792).
    """
    slope = torch.gradient(2 * (noise.alphas / noise.sigmas).log())[0].abs() * noise.steps
    gain = (learned - eps).square() - (prior_eps - eps).square()
    return 0.5 * slope[t.to(slope.device)].to(eps) * gain.flatten(1).mean(1)


def ratio(noise: NoiseProcess, t: Tensor, eps: Tensor, prior_eps: Tensor, learned: Tensor) -> Tensor:
    """exp(log_ratio) within [0.1, 20], the authors' limits."""
    return log_ratio(noise, t, eps, prior_eps, learned).clamp(-10, 10).exp().clamp(0.1, 20)


def fdistill(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 7.5, divergence: Literal[tuple(DIVERGENCES)] = "jensen_shannon",  # type: ignore[valid-type]
    weight: Weight = "sigma2", keep: Fraction = 0.0, phi: Phi,
) -> Distilled:
    """f-distill (arXiv 2502.15681), the weighting: g = w(t) h(r) / mean(h) (eps_hat - eps_phi), r = p / q in [0.1, 20].

    The mean is over the step's views, or with `keep` k a running one, k of the last and 1 - k of those (theirs is 0):
    with one view a step every divergence is else VSD, as the reverse KL (h = 1) always is. h grows with r where a divergence
    covers the prior's modes (forward KL, Pearson). The authors learn r with a discriminator on real pictures; with none
    here, `log_ratio` compares the two predictions at hand: per element, since the ratio of whole pictures would always
    be at a limit, and of z rather than z_t. Their normalization by mean|z - z0_hat| is left out. Cost: that of VSD.
    """
    z_t = prior.noise.add(z, eps, t)
    [learned] = phi.predict(z_t, t, [phi.posed])
    ahead = guided(prior, z_t, t, prompt, guidance)
    found = ratio(prior.noise, t, eps, ahead, learned)
    h = DIVERGENCES[divergence](found)
    share = (h / phi.running(h.mean(), keep)).view(-1, *(1,) * (z.dim() - 1))
    return Distilled(share * prior.noise.weight(weight, t, z) * (ahead - learned), info={"ratio": found.mean()})
