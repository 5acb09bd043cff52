"""Image-prompt score distillation."""

from __future__ import annotations

from torch import Tensor

from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.objectives.paths import Weight


def isd(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 7.5, image_guidance: float = 7.5, weight: Weight = "sigma2", image: Tensor,
) -> Distilled:
    """ISD (ModeDreamer, arXiv 2411.18135): g = w(t) (eps_hat(z_t; y, I) - eps(z_t; y)), the mode that a picture I shows.

    eps_hat = eps_neg + s (eps_pos - eps_neg) + s_I (eps_pos,I - eps_pos): s is `guidance`, s_I `image_guidance`; with
    both at 1 it is the prediction given I, so that g = w ((s - 1) (eps_pos - eps_neg) + s_I (eps_pos,I - eps_pos)). The same model without a picture takes the place of the noise. Unconfirmed:
    the abstract and project page say what is subtracted; the form and scale of the guidance, the null picture (the
    prior's own) and the weight are our reading. The authors add MVDream's gradient on sets of four views.
    Three evaluations a view in one forward (two at guidance 1).
    """
    asked = [prompt.beside(image).positive, prompt.positive, *([] if guidance == 1 else [prompt.negative])]
    pictured, positive, *negative = prior.predict(prior.noise.add(z, eps, t), t, asked)
    ahead = image_guidance * (pictured - positive)
    for away in negative:
        ahead = ahead + (guidance - 1) * (positive - away)
    return Distilled(grad=prior.noise.weight(weight, t, z) * ahead)
