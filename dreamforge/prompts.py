"""Prompts: what the user asked for, worded for the view a camera has."""

from __future__ import annotations

import torch

from dreamforge.cameras import Cameras
from dreamforge.debiasing import VIEWS, debiased


def view_words(cameras: Cameras) -> list[str]:
    """"front", "side", "back" or "overhead" for each camera (threestudio's rules: front within 45° of azimuth 0,
    back within 45° of 180°, overhead above 60° of elevation)."""
    azimuth = torch.rad2deg(cameras.azimuth).abs().tolist()
    elevation = torch.rad2deg(cameras.elevation).tolist()
    return [
        "overhead" if el > 60 else "front" if az < 45 else "back" if az > 135 else "side"
        for az, el in zip(azimuth, elevation, strict=True)
    ]


def view_prompts(prompt: str, cameras: Cameras, debias: str = "") -> list[str]:
    """The prompt for each camera, ending in ", front view" and so on. An empty prompt stays empty.

    debias: a masked language model, which strikes words that speak against the view (`dreamforge.debiasing`).
    """
    worded = wordings(prompt, debias)
    return [worded[word] for word in view_words(cameras)]


def wordings(prompt: str, debias: str = "") -> dict[str, str]:
    """The prompt as `view_prompts` says it, by view word."""
    said = debiased(prompt, debias) if debias and prompt else dict.fromkeys(VIEWS, prompt)
    return {view: f"{text}, {view} view" if prompt else "" for view, text in said.items()}
