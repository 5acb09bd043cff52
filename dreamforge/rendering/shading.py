"""Light on surfaces: Cook-Torrance reflection of a point light and of an environment, in linear light."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

SMOOTHEST = 0.08  # roughness below which a highlight is narrower than a pixel, and its gradient noise
DIELECTRIC = 0.04  # what non-metals reflect head-on


def srgb_to_linear(color: Tensor) -> Tensor:
    """sRGB in [0,1] to linear light."""
    return torch.where(color <= 0.04045, color / 12.92, ((color.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(light: Tensor) -> Tensor:
    """Linear light to sRGB, cut to [0,1]."""
    light = light.clamp(0, 1)
    return torch.where(light <= 0.0031308, light * 12.92, 1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


@dataclass
class Material:
    """Of N surface points: linear albedo `[N,3]`, roughness and metallic `[N,1]` in [0,1], as in glTF."""

    albedo: Tensor
    roughness: Tensor
    metallic: Tensor

    @property
    def diffuse(self) -> Tensor:
        """`[N,3]` what is scattered: metals scatter nothing."""
        return self.albedo * (1 - self.metallic)

    @property
    def specular(self) -> Tensor:
        """`[N,3]` what is reflected head-on: by metals in their colour."""
        return DIELECTRIC + (self.albedo - DIELECTRIC) * self.metallic


@dataclass
class Environment:
    """Light from everywhere, as real spherical harmonics of degree 2 of the incoming radiance: `[9,3]`, linear."""

    harmonics: Tensor

    @classmethod
    @cache
    def studio(cls, device: torch.device | str = "cpu") -> Environment:
        """Soft white light, brighter from above and a little from the front; a white ball looks white. Made once, so that
        no step waits for a copy."""
        up, front = torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])
        harmonics = torch.cat([torch.tensor([0.75 / Y0]), Y1 * (0.35 * up + 0.15 * front), torch.zeros(5)])
        return cls(harmonics[:, None].expand(9, 3).to(device, non_blocking=True))

    def irradiance(self, normal: Tensor) -> Tensor:
        """Of points with normals `[N,3]`, over pi: what a white matt point scatters, `[N,3]`.

        Ramamoorthi and Hanrahan 2001: the cosine keeps 1, 2/3 and 1/4 of the harmonics' three bands.
        """
        return self._bands(normal, (1.0, 2 / 3, 1 / 4))

    def reflection(self, direction: Tensor, roughness: Tensor) -> Tensor:
        """Radiance `[N,3]` from about directions `[N,3]`, blurred as roughness `[N,1]` blurs a mirror image: band l by
        exp(-l (l + 1) a^2 / 2) with a = roughness^2, which is to harmonics what a Gaussian of width a is."""
        width = roughness.square().square()
        return self._bands(direction, (1.0, torch.exp(-width), torch.exp(-3 * width)))

    def _bands(self, direction: Tensor, weights: tuple[float | Tensor, ...]) -> Tensor:
        basis = harmonics(direction)
        bands = (basis[:, :1], basis[:, 1:4], basis[:, 4:])
        scaled = torch.cat([band * weight for band, weight in zip(bands, weights, strict=True)], dim=1)
        return (scaled @ self.harmonics.to(direction)).clamp(min=0)


Y0, Y1 = 0.5 / math.sqrt(math.pi), math.sqrt(4 * math.pi / 3)


def harmonics(direction: Tensor) -> Tensor:
    """The real spherical harmonics of degree 0 to 2 at unit directions `[N,3]`: `[N,9]`, degree 1 in order x, y, z."""
    x, y, z = direction.unbind(1)
    first, second = math.sqrt(3 / (4 * math.pi)), math.sqrt(15 / (4 * math.pi))
    return torch.stack([
        torch.full_like(x, Y0), first * x, first * y, first * z, second * x * y, second * y * z, second * x * z,
        second / math.sqrt(12) * (3 * z * z - 1), 0.5 * second * (x * x - y * y),
    ], dim=1)  # fmt: skip


def shade(material: Material, normal: Tensor, view: Tensor, environment: Environment) -> Tensor:
    """Linear light `[N,3]` that points send toward the viewer, under an environment (Karis 2013's split sum).

    normal, view: `[N,3]` unit, view toward the eye. The share that is reflected is Karis's analytic fit for mobile
    devices (2014) to the integral of the GGX lobe.
    """
    cosine = (normal * view).sum(1, keepdim=True).clamp(1e-4, 1)
    mirrored = functional.normalize(2 * cosine * normal - view, dim=1)
    rough = material.roughness
    r = [rough * slope + offset for slope, offset in ((-1.0, 1.0), (-0.0275, 0.0425), (-0.572, 1.04), (0.022, -0.04))]
    fall = torch.minimum(r[0] * r[0], torch.exp2(-9.28 * cosine)) * r[0] + r[1]
    scale, bias = -1.04 * fall + r[2], 1.04 * fall + r[3]
    reflected = environment.reflection(mirrored, rough) * (material.specular * scale + bias)
    return material.diffuse * environment.irradiance(normal) + reflected


def shade_point(material: Material, normal: Tensor, view: Tensor, toward: Tensor, light: Tensor | float) -> Tensor:
    """Linear light `[N,3]` that points send toward the viewer, lit from unit directions `toward` `[N,3]` with
    irradiance `light` times pi: Cook-Torrance with the GGX lobe (Walter et al. 2007), Smith's shadowing and Schlick's
    Fresnel term."""
    half = functional.normalize(toward + view, dim=1)
    n_l, n_v, n_h, v_h = (
        (a * b).sum(1, keepdim=True).clamp(1e-4, 1) for a, b in ((normal, toward), (normal, view), (normal, half), (view, half))
    )
    alpha2 = material.roughness.clamp(min=SMOOTHEST) ** 4
    lobe = alpha2 / (n_h * n_h * (alpha2 - 1) + 1).square()  # times 1 / pi, which the light's pi takes back
    shadowing = 0.5 / (n_l * (n_v * n_v * (1 - alpha2) + alpha2).sqrt() + n_v * (n_l * n_l * (1 - alpha2) + alpha2).sqrt())
    fresnel = material.specular + (1 - material.specular) * (1 - v_h) ** 5
    lit = ((normal * toward).sum(1, keepdim=True) > 0).to(normal)
    return lit * light * n_l * (material.diffuse * (1 - fresnel) + lobe * shadowing * fresnel)
