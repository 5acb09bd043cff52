"""Frozen 2D diffusion models, one file each."""

from dreamforge.components import preset
from dreamforge.priors.analytic import Analytic
from dreamforge.priors.diffusers import Diffusers
from dreamforge.priors.empirical import Empirical
from dreamforge.priors.multiview import Multiview
from dreamforge.priors.toyworld import ToyWorld

PRIORS = {
    "toyworld": ToyWorld,
    "empirical": Empirical,
    "analytic": Analytic,
    "diffusers": Diffusers,
    "multiview": Multiview,
    "ember": preset(Diffusers, "A diffusion model trained on the toy world, embedded; see docs/ember.md.", model="ember"),
    "ember-mv": preset(Multiview, "Ember with cameras and four views at once; see docs/ember.md.", model="ember-mv"),
}
