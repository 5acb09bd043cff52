"""Compile the kernels of the export, in a process of its own while a first run compiles the others.

    python -m dreamforge.export.warm
"""

from __future__ import annotations

from functools import partial

import numpy as np
import trimesh
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.contracts import Mesh, Views
from dreamforge.export.clean import clean
from dreamforge.export.surface import mesh_from_views
from dreamforge.export.texture import bake
from dreamforge.export.verify import compare, eight_sides
from dreamforge.rendering.raster import render_mesh


def warm() -> None:
    """Export a ball, to nowhere: every kernel of the export is called once."""
    ball = trimesh.creation.icosphere(2, 0.5)
    grey = np.full((len(ball.vertices), 3), 0.5, np.float32)
    mesh = Mesh(ball.vertices.astype(np.float32), ball.faces.astype(np.int32), ball.vertex_normals.astype(np.float32), grey)

    def render(cameras: Cameras, background: Tensor) -> Views:
        return render_mesh(mesh, cameras, background)

    made = bake(clean(mesh_from_views(render, 16), 200), render, 64)
    compare(partial(render_mesh, made, cull_back=True), eight_sides(render))


if __name__ == "__main__":
    warm()
