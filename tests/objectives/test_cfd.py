"""CFD and its noise against closed forms (METHODS.md 3.30)."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor

from dreamforge.cameras import Cameras, orbit
from dreamforge.contracts import Prior, Views
from dreamforge.objectives.cds import fixed_noise
from dreamforge.objectives.cfd import cfd
from dreamforge.objectives.sds import sds
from dreamforge.objectives.surface_noise import collected, normal, surface_noise
from dreamforge.priors.sampling import ddim_step
from tests.conftest import conditions
from tests.objectives.networks import F64, MEAN, Network, bars, draw, gaussian, noise_from_zero, seeded

NOWHERE = {"rendered": None, "cameras": None}


def flow(prior: Prior, z: Tensor, levels: list[int], guidance: float, noise: Tensor | None = None) -> Tensor:
    """Plain descent on g / sigma_bar in steps of the noise level, along falling timesteps."""
    bar = prior.noise.sigmas / prior.noise.alphas
    for high, low in zip(levels, levels[1:], strict=False):
        t = torch.full((len(z),), high)
        options = {"guidance": guidance, "progress": 0.0, "generator": seeded(), **NOWHERE}
        grad = cfd(z, t, z, prior, conditions(prior, len(z)), **options).grad
        z = z - (bar[high] - bar[low]) * grad / bar[high]
    return z


def test_t_cfd_1_a28_descent_in_steps_of_the_noise_level_is_ddim() -> None:
    """For any network: z_bar = z + sigma_bar n runs along DDIM. Catches a fresh noise, and a weight beside sigma_bar."""
    prior, z, levels = Network(), draw(2, 4), [980, 700, 420, 100]
    end = flow(prior, z, levels, 3.0)
    noise, noised = prior.noise, prior.noise.add(z, fixed_noise(z), torch.full((2,), 980))
    for high, low in zip(levels, levels[1:], strict=False):
        t, to = torch.full((2,), high), torch.full((2,), low)
        y, n = prior.eps(noised, t, "y"), prior.eps(noised, t, "")
        noised = ddim_step(noise, noised, n + 3 * (y - n), t, to)
    assert torch.allclose(noise.add(end, fixed_noise(z), torch.full((2,), 100)), noised, atol=1e-12)


def test_t_cfd_2_b15_ends_at_a_sample_and_not_at_the_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """z_bar(0) - m = (z_bar_T - m) rho / sqrt(rho² + sigma_bar_T²), and a cloud that starts as wide as the noised prior
    ends as wide as the prior, where SDS shrinks it to a point. The error falls with the number of steps."""
    prior, noise = gaussian(0.5, noise_from_zero()), draw(300, 2, seed=3)
    monkeypatch.setattr(sys.modules[cfd.__module__], "fixed_noise", lambda z: noise)
    top = bars(prior.noise, torch.tensor([980])).item()
    start = MEAN + (0.25 + top**2) ** 0.5 * draw(300, 2, seed=4) - top * noise
    errors = []
    for steps in (100, 200):
        levels = torch.linspace(980, 0, steps).long().tolist()
        end = flow(prior, start, levels, 1.0)
        expected = MEAN + (start + top * noise - MEAN) * 0.5 / (0.25 + top**2) ** 0.5
        errors.append((end - expected).abs().mean().item())
    assert errors[1] < 0.05 and errors[1] < 0.75 * errors[0]
    assert abs(end.var(0).mean().item() - 0.25) < 0.05


def test_t_cfd_4_with_all_its_noise_fresh_it_is_sds() -> None:
    prior, z, t = Network(), draw(3, 4), torch.tensor([20, 500, 980])
    prompt = conditions(prior, 3)
    grad = cfd(z, t, z, prior, prompt, guidance=7.5, refresh=1.0, progress=0.0, generator=seeded(5), **NOWHERE).grad
    eps = torch.randn(3, 4, generator=seeded(5)).double()
    expected = bars(prior.noise, t) * sds(z, t, eps, prior, prompt, guidance=7.5, weight="uniform").grad
    assert torch.allclose(grad, expected, atol=1e-9)


def sphere_views(cameras: Cameras, radius: float = 0.8) -> Views:
    """Depth and opacity of a ball about the origin."""
    origins, directions = cameras.rays()
    middle = -(origins * directions).sum(-1)
    miss = (origins + middle[..., None] * directions).square().sum(-1)
    inside = miss < radius**2
    along = middle - (radius**2 - miss).clamp(min=0).sqrt()
    depth = along * torch.einsum("bhwi,bi->bhw", directions, -cameras.c2w[:, :3, 2])
    alpha = inside.float()[:, None]
    return Views(alpha.expand(-1, 3, -1, -1), alpha, depth[:, None] * alpha)


def test_t_cfd_3_the_noise_of_a_surface_is_white_in_a_view_and_shared_between_views() -> None:
    """Mean 0, variance 1, neighbours uncorrelated; the same view again has the same noise, one a little further round
    keeps a part of it, the back has none of the front's; and where there is no surface it is what lies behind."""
    cameras = orbit([0.0, 0.0, 1.0, 180.0], 10.0, size=48)
    views, behind = sphere_views(cameras), draw(4, 4, 48, 48).float() + 100
    noise = surface_noise(cameras, views, behind, 128)
    on = views.alpha[:, 0] > 0
    assert torch.equal(noise[~on[:, None].expand_as(noise)], behind[~on[:, None].expand_as(noise)])
    ball = noise[0][:, on[0]]
    count = ball.numel()
    assert abs(ball.mean()) < 4 / count**0.5 and abs(ball.var() - 1) < 6 / count**0.5
    pairs = on[0, :, 1:] & on[0, :, :-1]
    neighbours = (noise[0, :, :, 1:] * noise[0, :, :, :-1])[:, pairs].mean()
    assert abs(neighbours) < 4 / (4 * pairs.sum().item()) ** 0.5
    assert torch.equal(noise[0][:, on[0]], noise[1][:, on[0]])
    middle = slice(16, 32)
    near, far = ((noise[0] * noise[k])[:, middle, middle].mean().item() for k in (2, 3))
    assert near > 0.3 and abs(far) < 0.15


def test_t_cfd_3_t_cfd_5_pixels_correlate_by_the_texels_they_share() -> None:
    """|A and B| / sqrt(|A| |B|), and unit variance for every number of texels: over many channels, A of 3, B of 4, two of
    them in common, in two views. Catches a sum over the number instead of its root."""
    pixel, view = torch.tensor([0, 0, 0, 1, 1, 1, 1, 0]), torch.tensor([0, 0, 0, 1, 1, 1, 1, 0])
    texel = torch.tensor([5, 6, 7, 6, 7, 8, 9, 5])  # the last is a second sample of the same texel
    total, count = collected(pixel, view, texel, 2, 40000)
    assert count.tolist() == [3, 4]
    noise = total / count.sqrt()[:, None]
    assert torch.allclose(noise.var(1), torch.ones(2, dtype=F64), atol=0.03)
    assert abs((noise[0] * noise[1]).mean().item() - 2 / 12**0.5) < 0.03


def test_a_texel_on_the_border_of_two_pixels_belongs_to_one_of_them() -> None:
    total, count = collected(torch.tensor([3, 1, 1]), torch.tensor([0, 0, 0]), torch.tensor([7, 7, 2]), 4, 3)
    assert count.tolist() == [0, 2, 0, 0] and torch.allclose(total[1], normal(torch.tensor([7, 2]), 3).sum(0))


def test_the_numbers_of_texels_are_standard_normal_and_all_different() -> None:
    numbers = normal(torch.arange(50000), 2)
    assert abs(numbers.mean()) < 0.01 and abs(numbers.var() - 1) < 0.02
    assert abs((numbers[:, 0] * numbers[:, 1]).mean()) < 0.015 and abs((numbers[1:] * numbers[:-1]).mean()) < 0.015
    assert abs((numbers**4).mean() - 3) < 0.1 and numbers.unique().numel() == 100000
