"""An objective in one file, as a package of its own."""

from torch import Tensor

from dreamforge.contracts import Distilled, Method, Prior, PromptConditions
from dreamforge.priors.guidance import guided


def pull(
    z: Tensor, t: Tensor, eps: Tensor, prior: Prior, prompt: PromptConditions, *, guidance: float = 7.5
) -> Distilled:
    """A plain pull toward the one-step denoised picture: g = z - z0_hat(z_t; y, t)."""
    z_t = prior.noise.add(z, eps, t)
    return Distilled(grad=z - prior.noise.clean(z_t, guided(prior, z_t, t, prompt, guidance), t))


METHOD = Method(pull, evaluations="2", needs={"guidance"})
