"""Score distillation under an image prompt."""

from __future__ import annotations

from torch import Tensor

from dreamforge.contracts import Distilled, Prior, PromptConditions
from dreamforge.objectives.paths import Weight
from dreamforge.objectives.sds import sds


def pictured(prompt: PromptConditions, image: Tensor) -> PromptConditions:
    """The prompt beside a picture against the negative prompt without one: guidance for both at once (joint null)."""
    return prompt.asking(lambda: prompt.beside(image).positive)


def ipsds(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions,
    *, guidance: float = 100.0, weight: Weight = "sigma2", image: Tensor,
) -> Distilled:
    """IPSDS (IPDreamer, arXiv 2310.05375): g = w(t) (eps_neg + s (eps_pos,I - eps_neg) - eps), a picture I for a prompt.

    SDS of a prior that sees I beside the prompt, and the null picture beside the negative one. With a reward on the
    picture it is the visual-prompt SDS of VP3D (arXiv 2403.17001), whose weights are unconfirmed. Two evaluations a
    view in one forward.
    """
    return sds(z, t, eps, prior, pictured(prompt, image), guidance=guidance, weight=weight)
