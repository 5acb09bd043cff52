"""Every kernel refuses scenes and cameras that are not finite, naming what is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dreamforge.cameras import orbit
from dreamforge.kernels.harmonics import view_colors
from dreamforge.kernels.hashgrid import hash_encode
from dreamforge.kernels.raster import Fragments, interpolate, rasterize, sample_texture
from dreamforge.kernels.splat import splat
from dreamforge.kernels.volume import march

CAMERAS = orbit([0.0, 90.0], 15.0, size=8)
GRID = torch.ones(4, 4, 4)
FACES = torch.tensor([[0, 1, 2]])
SEEN = Fragments(torch.zeros(1, 4, 4, dtype=torch.int32), torch.rand(1, 4, 4, 3), torch.ones(1, 4, 4))


def _splat(means: Tensor, scales: Tensor, rotations: Tensor, opacities: Tensor, colors: Tensor, cameras: Tensor) -> None:
    splat(means, scales, rotations, opacities, colors, replace(CAMERAS, c2w=cameras), torch.zeros(2, 3))


CALLS: dict[str, tuple[Callable[..., object], dict[str, Tensor]]] = {
    "hash_encode": (
        lambda points, table: hash_encode(points, table, (3, 7)),
        {"points": torch.rand(9, 3), "table": torch.rand(2, 64, 4)},
    ),
    "march": (
        lambda origins, directions, floor: march(origins, directions, GRID.bool(), floor, 0.1),
        {"origins": torch.rand(5, 3), "directions": torch.eye(3)[[0, 1, 2, 0, 1]], "floor": GRID},
    ),
    "splat": (
        _splat,
        {
            "means": torch.rand(7, 3), "scales": torch.rand(7, 3), "rotations": torch.rand(7, 4),
            "opacities": torch.rand(7), "colors": torch.rand(7, 3), "cameras": CAMERAS.c2w,
        },
    ),
    "view_colors": (
        view_colors,
        {"coefficients": torch.rand(7, 4, 3), "means": torch.rand(7, 3), "positions": CAMERAS.position},
    ),
    "rasterize": (
        lambda vertices: rasterize(vertices, torch.ones(1, 3), FACES, 4, 4),
        {"vertices": 4 * torch.rand(1, 3, 2)},
    ),
    "interpolate": (lambda attributes: interpolate(attributes, FACES, SEEN), {"attributes": torch.rand(3, 2)}),
    "sample_texture": (sample_texture, {"texture": torch.rand(3, 4, 4), "uv": torch.rand(1, 2, 4, 4)}),
}  # fmt: skip


@pytest.mark.parametrize(("where", "name"), [(where, name) for where, (_, inputs) in CALLS.items() for name in inputs])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_refused_by_name(where: str, name: str, value: float) -> None:
    call, inputs = CALLS[where]
    call(**inputs)
    spoilt = inputs[name].clone()
    spoilt.view(-1)[-2] = value
    with pytest.raises(ValueError, match=rf"^{where}: .*{name}.* must be finite"):
        call(**{**inputs, name: spoilt})


def test_a_table_in_half_precision_may_add_up_to_more_than_half_precision_holds() -> None:
    assert hash_encode(torch.rand(9, 3), torch.full((2, 64, 4), 60000.0).half(), (3, 7)).isfinite().all()
