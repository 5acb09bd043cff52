"""Interval score matching."""

from __future__ import annotations

from torch import Tensor

from dreamforge.components import Fraction
from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.objectives.paths import invert, less_noisy, unconditional
from dreamforge.priors.guidance import guided
from dreamforge.priors.sampling import ddim_step, sigma_bar
from dreamforge.schedules import Scheduled, value_at


def ism(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 7.5, interval: Scheduled = 0.08, stride: Fraction = 0.2, scale: float = 0.1,
    progress: float,
) -> Distilled:
    """ISM (LucidDreamer, arXiv 2311.11284): g = c sigma_bar_t (eps_hat(z_t; y, t) - eps_0(z_t-; t-)).

    z_t- is the DDIM inversion of z under the empty prompt and z_t one more step of it, `interval` (a fraction of T)
    further: the subtracted prediction eps_0 is the one that made that step. Guidance is against the negative prompt. No
    noise is drawn, so eps is not used; the authors' code starts from z with a trace of noise (sigma = 0.029) and we from
    z itself. c: `scale`. Three evaluations a view and one for each `stride` up to t-, in sequence.
    """
    before = less_noisy(prior.noise, t, value_at(interval, progress))
    predict = unconditional(prior, prompt)
    start = invert(prior.noise, predict, z, before, stride)
    low = predict(start, before)
    high = guided(prior, ddim_step(prior.noise, start, low, before, t), t, prompt, guidance)
    return Distilled(grad=scale * sigma_bar(prior.noise, t, z) * (high - low))
