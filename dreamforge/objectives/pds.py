"""Posterior distillation sampling."""

from __future__ import annotations

from torch import Tensor

from dreamforge.components import Count
from dreamforge.contracts import Distilled, Prior, PromptConditions, Source
from dreamforge.priors.guidance import guided
from dreamforge.priors.noise import NoiseProcess
from dreamforge.priors.sampling import sigma_bar


def coefficients(noise: NoiseProcess, t: Tensor, like: Tensor, stride: int, consistent: bool) -> tuple[Tensor, Tensor]:
    """What g makes of the difference of latents and of predictions, each `[B,1,...]`; t at least `stride`.

    The posterior of the step from t to t' = t - stride has mean c0 z0 + c1 z_t and variance s². As released, beta is
    that of the single step from t to t - 1; `consistent` takes that from t to t', and then the first coefficient is 0.
    """
    here, there, one = (1 / (1 + sigma_bar(noise, level, like) ** 2) for level in (t, t - stride, t - 1))
    step = here / (there if consistent else one)
    c0, c1 = there.sqrt() * (1 - step) / (1 - here), step.sqrt() * (1 - there) / (1 - here)
    std = ((1 - there) / (1 - here) * (1 - step)).sqrt()
    return (there.sqrt() - c0 - c1 * here.sqrt()) / std, c0 * (1 / here - 1).sqrt() / std


def pds(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 100.0, stride: Count = 2, consistent_betas: bool = False, source: Source,
) -> Distilled:
    """PDS (arXiv 2311.13831): g = u(z) - u(z^src), with u the noise that takes z_t to z_t' in the reverse process.

    u = (z_t' - mu(z_t)) / s, t' = t - `stride`, both pictures noised alike. The fresh noise of z_t' cancels, and
    g = a (z - z^src) + b (eps_hat - eps_hat^src): DDS, and a pull back to the source that comes from the released
    code's beta of one timestep where the stride is two (`consistent_betas` makes a = 0). The released loss is a mean
    over elements, so its weight is not comparable. Four evaluations a view in two forwards (two at guidance 1).
    """
    t = t.clamp(min=stride)
    keep, change = coefficients(prior.noise, t, z, stride, consistent_betas)
    target = guided(prior, prior.noise.add(z, eps, t), t, prompt, guidance)
    start = guided(prior, prior.noise.add(source.z, eps, t), t, source.prompt, guidance)
    return Distilled(grad=keep * (z - source.z) + change * (target - start))
