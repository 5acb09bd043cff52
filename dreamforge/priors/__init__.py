"""Frozen 2D diffusion models, one file each."""

from dreamforge.priors.analytic import Analytic
from dreamforge.priors.diffusers import Diffusers
from dreamforge.priors.empirical import Empirical
from dreamforge.priors.toyworld import ToyWorld

PRIORS = {"toyworld": ToyWorld, "empirical": Empirical, "analytic": Analytic, "diffusers": Diffusers}
