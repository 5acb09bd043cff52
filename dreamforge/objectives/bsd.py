"""Balanced score distillation."""

from __future__ import annotations

from torch import Tensor

from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.priors.guidance import ask, dot


def bsd(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 15.0, scale: float = 0.1,
) -> Distilled:
    """BSD (PlacidDreamer, arXiv 2407.13976): g = c alpha_t (a g1 + (1 - a) g2), the shortest mix with a in [0,1].

    g1 = s (eps_pos - eps_neg) asks for the prompt and g2 = eps_neg for a likely picture; the shortest convex mix
    (MGDA) descends on both. a = <g2 - g1, g2> / |g2 - g1|² per item, clipped. No noise is subtracted.
    s: `guidance`, 15 in the released code whatever its command line says. c: `scale`.
    Two evaluations a view in one forward.
    """
    asked = ask(prior, prior.noise.add(z, eps, t), t, prompt)
    classifier = guidance * asked.direction
    gap = asked.negative - classifier
    share = (dot(gap, asked.negative) / dot(gap, gap).clamp(min=1e-12)).clamp(0, 1)
    alpha, _ = prior.noise.alpha_sigma(t, z)
    return Distilled(
        grad=scale * alpha * (share * classifier + (1 - share) * asked.negative), info={"classifier_share": share.mean()}
    )
