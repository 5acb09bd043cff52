"""Light for the toy world: the fixed studio, and soft variations of it for training pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Light = NDArray[np.float64]  # [12], linear: unit vector toward the key light; strength of key, ground and sky light


def light(toward: tuple[float, float, float], key: float = 0.56, warmth: float = 0.03, ambient: float = 1.0) -> Light:
    """A soft key light from a direction, with its strength and warmth, before a sky and a ground of some strength."""
    direction = np.array(toward) / np.linalg.norm(toward)
    tone = key * np.array([1 + warmth, 1.0, 1 - warmth])
    ground, sky = np.array([0.46, 0.45, 0.45]), np.array([0.22, 0.24, 0.26])
    return np.concatenate([direction, tone, ambient * ground, ambient * sky])


STUDIO: Light = light((-0.42, 0.70, 0.58))


def random_light(rng: np.random.Generator) -> Light:
    """A studio light with another direction (30-75 degrees up, from all around), warmth and strength."""
    azimuth, elevation = rng.uniform(-np.pi, np.pi), np.radians(rng.uniform(30, 75))
    toward = (np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation))
    return light(toward, rng.uniform(0.35, 0.75), rng.uniform(-0.1, 0.15), rng.uniform(0.8, 1.1))
