"""Score distillation anchored in the picture as it is."""

from __future__ import annotations

from torch import Tensor

from dreamforge.contracts import Distilled, Prior, PromptConditions, Views
from dreamforge.objectives.paths import Weight
from dreamforge.priors.guidance import ask


def anchords(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 101.0, anchored_target: bool = False, weight: Weight = "sigma2", rendered: Views,
) -> Distilled:
    """AnchorDS (arXiv 2511.11692): g = w(t) (eps_a + s (eps_t - eps_a) - eps), away from the render as it is.

    eps_a sees the negative prompt and the present render as its image prompt, so that guidance points from what is
    there to what is asked for; eps_t sees the prompt, and with `anchored_target` the render too (in the authors'
    ControlNet configurations, not in those for IP-Adapters). s: `guidance`, theirs plus 1. A prior that does not look
    at its image prompt makes it SDS. Left out: fine-tuning the adapter, the threshold in t and the dropping of items.
    Two evaluations a view in one forward.
    """
    beside = prompt.beside(rendered.rgb)
    target = beside if anchored_target else prompt
    asked = ask(prior, prior.noise.add(z, eps, t), t, target, away=beside.negative)
    return Distilled(grad=prior.noise.weight(weight, t, z) * (asked.at(guidance) - eps))
