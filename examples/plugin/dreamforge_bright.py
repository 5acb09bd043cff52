"""A reward of a package of one's own: pictures of a certain brightness."""

from __future__ import annotations

from torch import Tensor


class Bright:
    """Minus the squared distance of a picture's mean from `wanted`; differentiable, so it can pull by itself."""

    def __init__(self, *, wanted: float = 0.8) -> None:
        self.wanted = wanted

    def __call__(self, pictures: Tensor, prompt: str, cameras: object = None, background: object = None) -> Tensor:
        return -(pictures.mean((1, 2, 3)) - self.wanted).square()
