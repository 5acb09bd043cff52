"""Image-prompt score distillation."""

from __future__ import annotations

from torch import Tensor

from dreamforge.components import NonNegative
from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.objectives.paths import Weight
from dreamforge.priors.guidance import ask
from dreamforge.priors.sampling import sigma_bar


def isd(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 7.5, image_guidance: float = 7.5, multiview_weight: NonNegative = 1.0,
    weight: Weight = "sigma2", image: Tensor,
) -> Distilled:
    """ISD (ModeDreamer, arXiv 2411.18135): g = w(t) (eps_hat_I - eps_pos) + k sigma_bar_t (eps_hat - eps), the mode that
    a picture I shows, and a share of SDS.

    eps_hat_I = eps_hat + s_I (eps_pos,I - eps_pos), eps_hat = eps_neg + s (eps_pos - eps_neg): s is `guidance`, s_I
    `image_guidance`; with both at 1 it is the prediction given I. The same model without a picture takes the place of
    the noise, so that nothing holds what the two agree on; the second term does, k = `multiview_weight`. The authors
    take it from MVDream's model on sets of four views, we from the same prior. Unconfirmed: the abstract and project
    page say what is subtracted; the form and scale of the guidance, the null picture (the prior's own), the weight and
    k are our reading. Three evaluations a view in one forward (two at guidance 1).
    """
    z_t, beside = prior.noise.add(z, eps, t), prompt.beside(image).positive
    if guidance == 1 and prompt.view_weights is None:
        pictured, positive = prior.predict(z_t, t, [beside, prompt.positive])
        hat = positive
    else:
        asked = ask(prior, z_t, t, prompt, [beside])
        [pictured], positive, hat = asked.others, asked.positive, asked.at(guidance)
    mode = prior.noise.weight(weight, t, z) * (hat - positive + image_guidance * (pictured - positive))
    return Distilled(grad=mode + multiview_weight * sigma_bar(prior.noise, t, z) * (hat - eps))
