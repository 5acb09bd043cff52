"""Trajectory score matching."""

from __future__ import annotations

from torch import Tensor

from dreamforge.components import Fraction
from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.objectives.paths import invert, less_noisy, unconditional
from dreamforge.priors.guidance import guided
from dreamforge.priors.sampling import ddim_step, sigma_bar


def tsm(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 7.5, interval: Fraction = 0.08, mu_frac: Fraction = 0.954, stride: Fraction = 0.2,
    scale: float = 0.1,
) -> Distilled:
    """TSM (Dreamer XL, arXiv 2405.11252): g = c sigma_bar_t (eps_hat(z_t; y, t) - eps_0(z_mu; mu)).

    As ISM, but both z_t and z_mu are one inversion step from the same z_t-, which keeps the error of that step out of
    their difference. mu = t- + mu_frac (t - t-): the paper's gamma is mu_frac (0 is ISM), the code's is
    sqrt(1 - mu_frac²). c: `scale`. eps is not used. Four evaluations a view and one for each `stride` up to t-.
    """
    before = less_noisy(prior.noise, t, interval)
    between = before + (mu_frac * (t - before)).round().long()
    predict = unconditional(prior, prompt)
    start = invert(prior.noise, predict, z, before, stride)
    step = predict(start, before)
    high = guided(prior, ddim_step(prior.noise, start, step, before, t), t, prompt, guidance)
    low = predict(ddim_step(prior.noise, start, step, before, between), between)
    return Distilled(grad=scale * sigma_bar(prior.noise, t, z) * (high - low))
