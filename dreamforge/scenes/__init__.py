"""3D representations, one file each."""

from dreamforge.scenes.field import Field
from dreamforge.scenes.gaussians import Gaussians
from dreamforge.scenes.mesh import TexturedMesh
from dreamforge.scenes.tet import Tets

SCENES = {"gaussians": Gaussians, "field": Field, "mesh": TexturedMesh, "tets": Tets}
