"""From the scene of an edit back to the asset: what did not change is as it was, to the byte."""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from dreamforge.contracts import Mesh, Scene, Splats
from dreamforge.editing.coverage import coverage
from dreamforge.editing.original import Original, begin
from dreamforge.export.surface import Render
from dreamforge.rendering.surface import vertex_normals
from dreamforge.scenes.gaussians import Gaussians


@dataclass
class EditedMesh:
    """A scene to export whose mesh is known."""

    render: Render
    mesh: Mesh

    def to_mesh(self, resolution: int) -> Mesh:
        """The mesh, whatever the resolution."""
        return self.mesh


@dataclass
class EditedSplats:
    """A scene to export whose splats are known."""

    scene: Gaussians
    splats: Splats

    @property
    def render(self) -> Render:
        """Of the scene."""
        return self.scene.render

    def to_mesh(self, resolution: int) -> Mesh:
        """The surface that the views agree on."""
        return self.scene.to_mesh(resolution)

    def to_splats(self) -> Splats:
        """The splats."""
        return self.splats


def edited(scene: Scene, original: Original | None) -> Scene:
    """The scene to export: an edit's with what it left alone put back, any other's as it is."""
    if original is None:
        return scene
    before = beginning(scene, original)
    if isinstance(scene, Gaussians):
        return EditedSplats(scene, _splats(scene.to_splats(), before.to_splats(), original.framed))
    return EditedMesh(scene.render, _mesh(scene, before, original))


def beginning(scene: Scene, original: Original) -> Scene:
    """A scene like the given one as the edit began."""
    before = copy.deepcopy(scene)
    begin(before, original)
    return before.eval()


def _splats(now: Splats, before: Splats, truth: Splats) -> Splats:
    kept = {}
    for field in fields(Splats):
        ours, start, exact = (getattr(splats, field.name) for splats in (now, before, truth))
        same = ours == start
        kept[field.name] = np.where(same.all(axis=-1, keepdims=True) if ours.ndim > 1 else same, exact, ours)
    return Splats(**kept)


@torch.no_grad()
def _mesh(now: Scene, before: Scene, original: Original) -> Mesh:
    mesh = original.framed
    texture, start = (_pixels(scene.texture) for scene in (now, before))
    changed = (texture != start).any(axis=-1)
    texture = np.where(changed[..., None], texture, mesh.texture)
    _into_gutters(texture, changed, mesh, original.free)
    mesh = replace(mesh, texture=texture)
    if not now.offsets.any():
        return mesh
    source = now.sources()
    places, normals = now.places[source], vertex_normals(now.places, now.faces)[source]
    return replace(mesh, vertices=places.cpu().numpy(), normals=normals.cpu().numpy())


def _pixels(logits: torch.Tensor) -> np.ndarray:
    return (logits.sigmoid() * 255).round().byte().movedim(0, -1).cpu().numpy()


def _into_gutters(texture: np.ndarray, changed: np.ndarray, mesh: Mesh, free: np.ndarray | None) -> None:
    """Carry what changed into the gaps between charts, which viewers mix in from afar."""
    covered = coverage(mesh)[0][0] >= 0
    if covered.all() or not changed[covered].any():
        return
    row, column = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    follows = ~covered & changed[row, column]
    if free is not None:
        follows &= free
    texture[follows] = texture[row[follows], column[follows]]
