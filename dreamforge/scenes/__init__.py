"""3D representations, one file each."""

from dreamforge.scenes.field import Field
from dreamforge.scenes.gaussians import Gaussians

SCENES = {"gaussians": Gaussians, "field": Field}
