"""ImageDream's score distillation: multi-view, with an image prompt."""

from __future__ import annotations

from torch import Tensor

from dreamforge.components import Count, Fraction
from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.objectives.ipsds import pictured
from dreamforge.objectives.mvdream import mvdream


def imagedream(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 5.0, rescale: Fraction = 0.2, views: Count = 4, image: Tensor,
) -> Distilled:
    """ImageDream's SDS (arXiv 2312.02201): MVDream's, g = z - z0_hat', with a picture I beside the prompt.

    How the picture enters (its features, or a frame of its own beside the views) is the prior's affair. The views of a
    set must share their timestep (timesteps: {shared: true}). Two evaluations a view in one forward.
    """
    return mvdream(z, t, eps, prior, pictured(prompt, image), guidance=guidance, rescale=rescale, views=views)
