"""A textured mesh: vertices that can move, and a texture of colours or of a physically based material."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
import torch
import trimesh
from torch import Tensor, nn

from dreamforge.cameras import Cameras
from dreamforge.components import NonNegative, Range
from dreamforge.contracts import Mesh, Scene, Views
from dreamforge.kernels.raster import interpolate, sample_texture, texture_level
from dreamforge.rendering.raster import texture_image
from dreamforge.rendering.shading import Environment, Material, linear_to_srgb, shade, srgb_to_linear
from dreamforge.rendering.surface import Neighbours, Seen, render_surface, vertex_normals

SHAPES = ("vertices", "offsets", "faces", "uv", "uv_faces", "texture")
DARKEST = 0.01  # and one less this the brightest that a texture starts with: a logit has to be finite
START_ROUGHNESS, START_METALLIC = 0.6, 0.03


class TexturedMesh(nn.Module):
    """A mesh with a texture, refined from the scene of the stage before; on its own it starts as a grey ball.

    Vertices are `vertices` + `offsets`, `[V,3]`, joined by `faces` `[F,3]`; `uv` `[U,2]` and `uv_faces` `[F,3]` say
    where each face lies on `texture` `[C,h,w]`, logits of sRGB albedo and, lit, of roughness and metallic.

    resolution, faces: of the surface taken over, unless that is a textured mesh. texture: its side. shading: "unlit"
    shows the albedo as it is, "pbr" under a soft environment. offset_lr: 0 keeps the shape.
    """

    vertices: Tensor
    faces: Tensor
    uv: Tensor
    uv_faces: Tensor

    def __init__(
        self,
        *,
        device: torch.device = torch.device("cpu"),
        resolution: Annotated[int, Range(16, 1024)] = 96,
        face_count: Annotated[int, Range(100, 2_000_000)] = 10_000,
        texture_size: Annotated[int, Range(64, 8192)] = 512,
        shading: Literal["unlit", "pbr"] = "unlit",
        offset_lr: NonNegative = 0.0005,
        texture_lr: NonNegative = 0.05,
        ball: Annotated[float, Range(0.01, 1)] = 0.5,
    ) -> None:
        super().__init__()
        self.resolution, self.face_count, self.texture_size = resolution, face_count, texture_size
        self.shading, self.offset_lr, self.texture_lr = shading, offset_lr, texture_lr
        from dreamforge.export.atlas import unwrap

        shape = trimesh.creation.icosphere(3, ball)
        mesh = Mesh(shape.vertices.astype(np.float32), shape.faces.astype(np.int32), shape.vertex_normals.astype(np.float32))
        grey = np.full((texture_size, texture_size, 3), 128, np.uint8)
        self.adopt(replace(unwrap(mesh, texture_size), texture=grey), device)

    def adopt(self, mesh: Mesh, device: torch.device) -> None:
        """Become a textured mesh, its colours taken for albedo; equal positions become one vertex."""
        places, inverse = np.unique(mesh.vertices, axis=0, return_inverse=True)
        albedo = texture_image(mesh.texture).clamp(DARKEST, 1 - DARKEST)
        if self.shading == "pbr":
            start = torch.tensor([START_ROUGHNESS, START_METALLIC])[:, None, None]
            extra = start.expand(2, *albedo.shape[1:])
            if mesh.metallic_roughness is not None:
                extra = nn.functional.interpolate(texture_image(mesh.metallic_roughness)[None, 1:], albedo.shape[1:])[0]
            albedo = torch.cat([albedo, extra.clamp(DARKEST, 1 - DARKEST)])
        values = (
            torch.from_numpy(places), torch.zeros(places.shape), torch.from_numpy(inverse.reshape(-1)[mesh.faces]),
            torch.from_numpy(mesh.uv), torch.from_numpy(mesh.faces), albedo.logit(),
        )  # fmt: skip
        for name, value in zip(SHAPES, values, strict=True):
            self._put(name, (value.int() if name.endswith("faces") else value.float()).contiguous().to(device))

    def _put(self, name: str, value: Tensor) -> None:
        if name in ("offsets", "texture"):
            setattr(self, name, nn.Parameter(value))
        else:
            self.register_buffer(name, value)
        self._neighbours: Neighbours | None = None

    def adopt_scene(self, scene: Scene) -> None:
        """Take over the surface and the colours of another scene: a textured mesh as it is, any other through its
        views."""
        from dreamforge.export.clean import clean
        from dreamforge.export.texture import bake

        mesh = scene.to_mesh(self.resolution)
        if mesh.uv is None:
            mesh = bake(clean(mesh, self.face_count), scene.render, self.texture_size)
        self.adopt(mesh, self.vertices.device)

    @property
    def places(self) -> Tensor:
        """`[V,3]` where the vertices are."""
        return self.vertices + self.offsets

    def render(self, cameras: Cameras, background: Tensor, normals: bool = False) -> Views:
        """Views on plain backgrounds `[B,3]`, always with normals; see `dreamforge.contracts.Scene`."""

        def paint(seen: Seen) -> Tensor:
            uv = interpolate(self.uv, self.uv_faces, seen.fragments)
            corners, size = self.uv[self.uv_faces.long()], tuple(self.texture.shape[1:])
            level = texture_level(corners, seen.pixels, seen.depth, seen.faces, seen.fragments, size)
            surface = sample_texture(self.texture.sigmoid(), uv, level)
            return surface if self.shading == "unlit" else self._lit(surface, seen, cameras)

        return render_surface(self.places, self.faces, cameras, background, paint, 1 if self.training else 2)

    def _lit(self, surface: Tensor, seen: Seen, cameras: Cameras) -> Tensor:
        """`[B,3,H,W]` what a material `[B,5,H,W]` looks like under the studio's light."""
        eye = nn.functional.normalize(cameras.position[:, :, None, None] - seen.position, dim=1)
        points, normal, view = (x.movedim(1, -1)[seen.hit] for x in (surface, seen.normal, eye))
        material = Material(srgb_to_linear(points[:, :3]), points[:, 3:4], points[:, 4:5])
        light = linear_to_srgb(shade(material, normal, view, Environment.studio(surface.device)))
        return torch.zeros_like(surface[:, :3]).movedim(1, -1).index_put((seen.hit,), light).movedim(-1, 1)

    def param_groups(self) -> list[dict[str, Any]]:
        """The texture, and the offsets where they may move; see `dreamforge.contracts.Scene`."""
        groups = [{"name": "texture", "params": self.texture, "lr": self.texture_lr}]
        moving = {"name": "offsets", "params": self.offsets, "lr": self.offset_lr}
        return [*groups, moving] if self.offset_lr else groups

    def regularizers(self, views: Views) -> dict[str, Tensor]:
        """"offsets", mean squared; "laplacian", mean squared distance of vertices from the mean of their neighbours;
        "normal_consistency", mean 1 - cosine of the angle between the normals of adjoining faces."""
        if self._neighbours is None:
            self._neighbours = Neighbours(self.faces)
        return {
            "offsets": self.offsets.square().sum(1).mean(),
            "laplacian": self._neighbours.laplacian(self.places),
            "normal_consistency": self._neighbours.normal_consistency(self.places),
        }

    def after_step(self, step: int, steps: int, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> None:
        """Nothing grows and nothing is pruned."""

    @torch.no_grad()
    def to_mesh(self, resolution: int) -> Mesh:
        """The mesh with its texture, whatever the resolution; see `dreamforge.contracts.Scene`."""
        from dreamforge.export.texture import dilate, texels

        source = torch.zeros(len(self.uv), dtype=torch.int64, device=self.uv.device)
        source[self.uv_faces.flatten().long()] = self.faces.flatten().long()
        normals = vertex_normals(self.places, self.faces)
        mesh = Mesh(*(x.cpu().numpy() for x in (self.places[source], self.uv_faces, normals[source])), uv=self.uv.cpu().numpy())
        size = max(self.texture.shape[1:])  # a texture that is not square becomes so, nothing of it lost
        picture = nn.functional.interpolate(self.texture.sigmoid()[None], (size, size), mode="bilinear")[0]
        picture = picture.movedim(0, -1).cpu().numpy()
        inside = texels(mesh, size)[0]
        picture = dilate(picture.reshape(size * size, -1), inside, size).reshape(picture.shape)
        picture = np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)
        mesh.texture = np.ascontiguousarray(picture[..., :3])
        if self.shading == "pbr":
            mesh.metallic_roughness = np.concatenate([np.full_like(picture[..., :1], 255), picture[..., 3:]], axis=-1)
        return mesh

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *arguments: Any) -> None:
        """Make room for a mesh and a texture of other sizes, then load as usual."""
        for name in SHAPES:
            saved = state_dict.get(prefix + name)
            if saved is not None and saved.shape != getattr(self, name).shape:
                self._put(name, torch.empty_like(saved, device=self.vertices.device))
        super()._load_from_state_dict(state_dict, prefix, *arguments)
        self._neighbours = None
