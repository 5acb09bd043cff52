"""Light: known integrals, and what no material may do."""

from __future__ import annotations

import math

import pytest
import torch

from dreamforge.rendering.shading import (
    Environment, Material, harmonics, linear_to_srgb, shade, shade_point, srgb_to_linear,
)  # fmt: skip


def directions(count: int) -> torch.Tensor:
    """`[N,3]` spread evenly over the sphere."""
    index = torch.arange(count, dtype=torch.float64) + 0.5
    z, turn = 1 - 2 * index / count, index * math.pi * (3 - math.sqrt(5))
    ring = (1 - z * z).sqrt()
    return torch.stack([ring * turn.cos(), ring * turn.sin(), z], dim=1)


def material(count: int, albedo: float, roughness: float, metallic: float) -> Material:
    column = torch.ones(count, 1, dtype=torch.float64)
    return Material(albedo * column.expand(-1, 3), roughness * column, metallic * column)


def test_srgb_goes_there_and_back() -> None:
    color = torch.linspace(0, 1, 50, dtype=torch.float64)
    torch.testing.assert_close(linear_to_srgb(srgb_to_linear(color)), color)
    assert srgb_to_linear(torch.tensor(0.5)).item() == pytest.approx(0.2140, abs=1e-4)


def test_harmonics_are_orthonormal() -> None:
    basis = harmonics(directions(20_000))
    gram = basis.T @ basis * (4 * math.pi / len(basis))
    torch.testing.assert_close(gram, torch.eye(9, dtype=torch.float64), atol=1e-3, rtol=0)


def test_irradiance_is_the_cosine_integral() -> None:
    """Against a sum over 20,000 directions of the light that the harmonics stand for."""
    environment = Environment(0.1 * torch.randn(9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    environment.harmonics[0] += 3
    toward, normal = directions(20_000), directions(7)
    radiance = harmonics(toward) @ environment.harmonics
    expected = (normal @ toward.T).clamp(min=0) @ radiance * (4 * math.pi / len(toward)) / math.pi
    torch.testing.assert_close(environment.irradiance(normal), expected, atol=1e-3, rtol=1e-3)
    mirror = environment.reflection(normal, torch.zeros(7, 1, dtype=torch.float64))
    torch.testing.assert_close(mirror, harmonics(normal) @ environment.harmonics)


@pytest.mark.parametrize("roughness", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("metallic", [0.0, 1.0])
def test_no_surface_sends_out_more_than_it_gets(roughness: float, metallic: float) -> None:
    """White under a point light, seen from everywhere: most of the light comes back, and never more than all."""
    view = directions(20_000)
    view = view[view[:, 2] > 0]
    for angle in (0.0, 60.0):
        toward = torch.tensor([[math.sin(math.radians(angle)), 0, math.cos(math.radians(angle))]], dtype=torch.float64)
        normal = torch.tensor([[0, 0, 1.0]], dtype=torch.float64).expand_as(view)
        light = shade_point(material(len(view), 1.0, roughness, metallic), normal, view, toward.expand_as(view), 1.0)
        back = (light[:, 0] * view[:, 2]).mean() * 2 * math.pi / math.pi / toward[0, 2]
        assert 0.25 < back < 1.05, back  # rough metals lose what single scattering leaves out


def test_environments_light_matt_and_mirror() -> None:
    """Under even white light a white matt point is about white, and a metal shows its own colour."""
    even = Environment(torch.zeros(9, 3, dtype=torch.float64))
    even.harmonics[0] = 2 * math.sqrt(math.pi)
    normal = directions(40)
    matt = shade(material(40, 1.0, 1.0, 0.0), normal, normal, even)
    metal = shade(material(40, 0.7, 0.2, 1.0), normal, normal, even)
    torch.testing.assert_close(matt, torch.ones_like(matt), atol=0.09, rtol=0)
    torch.testing.assert_close(metal, torch.full_like(metal, 0.7), atol=0.09, rtol=0)
    studio = Environment.studio().irradiance(torch.tensor([[0.0, 1, 0], [0, 0, 1], [0, -1, 0]]))
    assert studio[0, 0] > studio[1, 0] > studio[2, 0] > 0.2
