"""The plain colour behind the object. Random colours keep a scene from hiding surface in its background."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from dreamforge.errors import UserError, did_you_mean

NAMED = {"white": (1.0, 1.0, 1.0), "grey": (0.5, 0.5, 0.5), "black": (0.0, 0.0, 0.0)}


def check_background(kind: str, where: str) -> None:
    """Raise UserError unless `kind` is "random", a named colour or "#rrggbb"."""
    if kind != "random" and kind not in NAMED and not re.fullmatch(r"#[0-9a-fA-F]{6}", kind):
        raise UserError(f"{where}: {kind!r} is not a background{did_you_mean(kind, [*NAMED, 'random', '#rrggbb'])}")


def background(kind: str, batch: int, generator: torch.Generator) -> Tensor:
    """`[B,3]` sRGB colours: one random colour a view, or the named one for all."""
    if kind == "random":
        return torch.rand(batch, 3, generator=generator)
    color = NAMED.get(kind) or tuple(int(kind[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return torch.tensor(color).expand(batch, 3)


def composite(picture: Tensor, background: Tensor) -> Tensor:
    """Premultiplied RGBA pictures `[...,4,H,W]` on plain colours `[...,3]`: `[...,3,H,W]`."""
    return picture[..., :3, :, :] + (1 - picture[..., 3:, :, :]) * background[..., :, None, None]
