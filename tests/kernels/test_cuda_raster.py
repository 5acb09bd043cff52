"""The CUDA mesh rasterizer, run on the CPU, against the reference: every scene of the CPU's own tests."""

from __future__ import annotations

import pytest
import torch

from dreamforge.kernels import raster_cuda, raster_reference
from tests.kernels import test_raster
from tests.kernels.emulator import cuda_on_cpu, needs_compiler
from tests.kernels.test_raster import SCENES, everything

pytestmark = needs_compiler


CASES = [*((scene, False) for scene in SCENES), ("torus", True), ("soup", True)]


@pytest.mark.parametrize(("scene", "cull_back"), CASES)
def test_kernels_match_the_reference(scene: str, cull_back: bool) -> None:
    """The same faces exactly; values and gradients to 1e-4 of their size."""
    inputs = SCENES[scene]()
    with cuda_on_cpu(seed=3):
        fast = everything(inputs, torch.float32, cull_back)
    slow = everything(inputs, torch.float64, cull_back)
    assert (fast[0]["face"] == slow[0]["face"]).all()
    assert scene == "nothing" or fast[0]["face"].amax() > 0
    for got, expected in zip(fast, slow, strict=True):
        for name, value in expected.items():
            error = (got[name].double() - value).norm() / value.double().norm().clamp(min=1e-6)
            assert error < 1e-4, (name, error)


@pytest.mark.parametrize(
    "test",
    [test_raster.test_on_equal_depth_the_lower_number_wins, test_raster.test_culling_and_the_near_plane,
     test_raster.test_antialiasing_blends_by_coverage_and_pulls_edges, test_raster.test_texture_levels_count_texels,
     test_raster.test_the_smallest_textures],
    ids=lambda test: test.__name__,
)  # fmt: skip
def test_promises_of_the_cpu_are_kept(test) -> None:  # type: ignore[no-untyped-def]
    with cuda_on_cpu():
        test()


def test_what_is_not_finite_is_not_drawn() -> None:
    """Nobody checks for it on a GPU, where looking would make the host wait."""
    pixels = torch.tensor([[[2.0, 2], [20, 3], [8, 25], [torch.nan, 5], [torch.inf, 9]]])
    faces = torch.tensor([[0, 1, 2], [0, 1, 3], [1, 2, 4]], dtype=torch.int32)
    with cuda_on_cpu():
        geometry = (pixels.double(), torch.ones(1, 5).double(), faces)
        face, barycentric, depth = raster_cuda.rasterize(*geometry, 32, 32, False)
    assert set(face.unique().tolist()) == {-1, 0}
    assert barycentric.isfinite().all() and depth.isfinite().all()
