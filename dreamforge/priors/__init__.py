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
    **{
        name: preset(Diffusers, f"{about}, from $DREAMFORGE_MODELS/{name} or the hub; see docs/priors.md.", model=name)
        for name, about in {
            "sd15": "Stable Diffusion 1.5", "sd21": "Stable Diffusion 2.1", "sdxl": "Stable Diffusion XL",
            "sd3": "Stable Diffusion 3", "if": "DeepFloyd IF, of pixels",
        }.items()
    },
    "mvdream": preset(
        Multiview, "MVDream: four views at once, from $DREAMFORGE_MODELS/mvdream or the hub; see docs/priors.md.",
        model="mvdream",
    ),
    "ember": preset(Diffusers, "A diffusion model trained on the toy world, embedded; see docs/ember.md.", model="ember"),
    "ember-mv": preset(Multiview, "Ember with cameras and four views at once; see docs/ember.md.", model="ember-mv"),
}
