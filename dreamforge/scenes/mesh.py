"""A textured mesh: vertices that can move, and a texture of colours or of a physically based material."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
import torch
import trimesh
from torch import Tensor, nn

from dreamforge.cameras import Cameras
from dreamforge.components import Fraction, NonNegative, Range
from dreamforge.contracts import Mesh, Scene, Views
from dreamforge.errors import UserError
from dreamforge.kernels.raster import interpolate, sample_texture, texture_level
from dreamforge.rendering.raster import texture_image
from dreamforge.rendering.shading import Environment, Material, linear_to_srgb, shade, shade_point, srgb_to_linear
from dreamforge.rendering.surface import Neighbours, Seen, render_surface, vertex_normals
from dreamforge.scenes.colors import HashColors

SHAPES = ("vertices", "offsets", "faces", "uv", "uv_faces", "texture")
DARKEST = 0.01  # and one less this the brightest that a texture starts with: a logit has to be finite
START_ROUGHNESS, START_METALLIC = 0.6, 0.03
LEVELS, FINEST, TABLE_BITS = 6, 256, 17  # of a hash grid in place of a texture
FIT_STEPS, FIT_PART = 60, 8  # to take a texture over into it: each step fits one in so many texels


class TexturedMesh(nn.Module):
    """A mesh with a texture, refined from the scene of the stage before; on its own it starts as a grey ball.

    Vertices are `vertices` + `offsets`, `[V,3]`, joined by `faces` `[F,3]`; `uv` `[U,2]` and `uv_faces` `[F,3]` say
    where each face lies on `texture` `[C,h,w]`, logits of sRGB albedo and, lit, of roughness, metallic and the slopes
    of a normal map.

    resolution, face_count: of the surface taken over, unless that is a textured mesh. texture_size: its side, pixels.
    appearance: "hashgrid" learns colours in space, which have no seams, and makes a texture of them on the way out.
    shading: "unlit" shows the albedo as it is, "pbr" under a soft environment. normal_map: learn one as well, lit.
    point_light: the share of the light that comes from a lamp at the camera. offset_lr: 0 keeps the shape.
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
        appearance: Literal["texture", "hashgrid"] = "texture",
        shading: Literal["unlit", "pbr"] = "unlit",
        normal_map: bool = False,
        point_light: Fraction = 0.0,
        offset_lr: NonNegative = 0.0005,
        texture_lr: NonNegative = 0.05,
        ball: Annotated[float, Range(0.01, 1)] = 0.5,
    ) -> None:
        super().__init__()
        self.resolution, self.face_count, self.texture_size = resolution, face_count, texture_size
        self.shading, self.offset_lr, self.texture_lr = shading, offset_lr, texture_lr
        self.normal_map, self.point_light = normal_map, point_light
        if shading == "unlit" and (normal_map or point_light):
            raise UserError("scene: a normal_map and a point_light show only with shading=pbr")
        channels = 3 if shading == "unlit" else 7 if normal_map else 5
        grid = HashColors(channels, LEVELS, FINEST, TABLE_BITS, device) if appearance == "hashgrid" else None
        self.colors: HashColors | None = grid
        from dreamforge.export.atlas import unwrap

        shape = trimesh.creation.icosphere(3, ball)
        mesh = Mesh(shape.vertices.astype(np.float32), shape.faces.astype(np.int32), shape.vertex_normals.astype(np.float32))
        grey = np.full((texture_size, texture_size, 3), 128, np.uint8)
        self.adopt(replace(unwrap(mesh, texture_size), texture=grey), device)

    def adopt(self, mesh: Mesh, device: torch.device) -> None:
        """Become a textured mesh, its colours taken for albedo; equal positions become one vertex."""
        places, inverse = np.unique(mesh.vertices, axis=0, return_inverse=True)
        values = (
            torch.from_numpy(places), torch.zeros(places.shape), torch.from_numpy(inverse.reshape(-1)[mesh.faces]),
            torch.from_numpy(mesh.uv), torch.from_numpy(mesh.faces),
            self._appearance_of(mesh).clamp(DARKEST, 1 - DARKEST).logit(),
        )  # fmt: skip
        for name, value in zip(SHAPES, values, strict=True):
            self._put(name, (value.int() if name.endswith("faces") else value.float()).contiguous().to(device))
        if self.colors is not None:
            self._fit_colors()

    def _appearance_of(self, mesh: Mesh) -> Tensor:
        """`[C,h,w]` in [0,1]: a mesh's pictures, and what it starts from where it has none."""
        albedo = texture_image(mesh.texture)
        if self.shading == "unlit":
            return albedo

        def picture(pixels: np.ndarray | None, otherwise: list[float]) -> Tensor:
            image = torch.tensor(otherwise)[:, None, None] if pixels is None else texture_image(pixels)
            return nn.functional.interpolate(image[None], albedo.shape[1:])[0]

        parts = [albedo, picture(mesh.metallic_roughness, [0, START_ROUGHNESS, START_METALLIC])[1:]]
        if self.normal_map:
            normal = 2 * picture(mesh.normal_map, [0.5, 0.5, 1.0]) - 1
            parts.append(0.5 + 0.5 * normal[:2] / normal[2:].clamp(min=DARKEST))
        return torch.cat(parts)

    @torch.enable_grad()
    def _fit_colors(self) -> None:
        """Fit the hash grid to the texture, for a few steps, and keep the texture as it is."""
        texel, points = self._texels()
        truth = self.texture.detach().sigmoid().flatten(1)[:, texel].T
        optimizer = torch.optim.Adam([self.colors.table], lr=0.1, betas=(0.9, 0.99))
        for step in range(FIT_STEPS):
            some = slice(step % FIT_PART, None, FIT_PART)
            optimizer.zero_grad()
            (self.colors(points[some]) - truth[some]).square().mean().backward()
            optimizer.step()
        self.colors.table.grad = None

    def _texels(self) -> tuple[Tensor, Tensor]:
        """The texels inside charts, flat indices `[N]`, and where they lie on the unmoved surface `[N,3]`."""
        from dreamforge.export.texture import texels

        flat = Mesh(self.vertices[self.sources()].cpu().numpy(), self.uv_faces.cpu().numpy(), uv=self.uv.cpu().numpy())
        texel, points, _ = texels(flat, self.texture.shape[-1])
        return torch.from_numpy(texel).to(self.texture.device), torch.from_numpy(points).to(self.texture)

    def _frames(self) -> Tensor:
        """`[U,4]` the tangents of the unmoved surface, in which the normal map is read."""
        from dreamforge.export.tangents import tangents

        if self._tangents is None:
            source, normals = self.sources(), vertex_normals(self.vertices, self.faces)
            arrays = (x.cpu().numpy() for x in (self.vertices[source], self.uv_faces, normals[source]))
            self._tangents = torch.from_numpy(tangents(Mesh(*arrays, uv=self.uv.cpu().numpy()))).to(self.vertices)
        return self._tangents

    def sources(self) -> Tensor:
        """`[U]` the vertex at each place of the texture."""
        source = torch.zeros(len(self.uv), dtype=torch.int64, device=self.uv.device)
        source[self.uv_faces.flatten().long()] = self.faces.flatten().long()
        return source

    def _put(self, name: str, value: Tensor) -> None:
        if name in ("offsets", "texture"):
            setattr(self, name, nn.Parameter(value))
        else:
            self.register_buffer(name, value)
        self._neighbours: Neighbours | None = None
        self._tangents: Tensor | None = None

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
            surface = self._surface(seen)
            return surface if self.shading == "unlit" else self._lit(surface, seen, cameras)

        return render_surface(self.places, self.faces, cameras, background, paint, 1 if self.training else 2)

    def _surface(self, seen: Seen) -> Tensor:
        """`[B,C,H,W]` the appearance of what is seen."""
        if self.colors is not None:
            return seen.scatter(self.colors(seen.gather(interpolate(self.vertices, self.faces, seen.fragments))))
        uv = interpolate(self.uv, self.uv_faces, seen.fragments)
        corners, size = self.uv[self.uv_faces.long()], tuple(self.texture.shape[1:])
        level = texture_level(corners, seen.pixels, seen.depth, seen.faces, seen.fragments, size)
        return sample_texture(self.texture.sigmoid(), uv, level)

    def _lit(self, surface: Tensor, seen: Seen, cameras: Cameras) -> Tensor:
        """`[B,3,H,W]` what a material `[B,5 or 7,H,W]` looks like under the studio's light and the camera's lamp."""
        eye = nn.functional.normalize(cameras.position[:, :, None, None] - seen.position, dim=1)
        points, normal, view = (seen.gather(x) for x in (surface, seen.normal, eye))
        if self.normal_map:
            tangent = seen.gather(interpolate(self._frames(), self.uv_faces, seen.fragments))
            normal = bent(normal, tangent, 2 * points[:, 5:] - 1)
        material = Material(srgb_to_linear(points[:, :3]), points[:, 3:4], points[:, 4:5])
        light = (1 - self.point_light) * shade(material, normal, view, Environment.studio(surface.device))
        if self.point_light:
            light = light + shade_point(material, normal, view, view, self.point_light)
        return seen.scatter(linear_to_srgb(light))

    def param_groups(self) -> list[dict[str, Any]]:
        """The texture or what is in its place, and the offsets where they may move; see `dreamforge.contracts.Scene`."""
        painted = self.texture if self.colors is None else self.colors.table
        groups = [{"name": "texture", "params": painted, "lr": self.texture_lr}]
        moving = {"name": "offsets", "params": self.offsets, "lr": self.offset_lr}
        return [*groups, moving] if self.offset_lr else groups

    def regularizers(self, views: Views) -> dict[str, Tensor]:
        """"offsets", mean squared; "laplacian", mean squared distance of vertices from the mean of their neighbours;
        "normal_consistency", mean 1 - cosine of the angle between the normals of adjoining faces."""
        if self._neighbours is None:
            self._neighbours = Neighbours(self.faces, len(self.vertices))
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

        source = self.sources()
        normals = vertex_normals(self.places, self.faces)
        mesh = Mesh(*(x.cpu().numpy() for x in (self.places[source], self.uv_faces, normals[source])), uv=self.uv.cpu().numpy())
        appearance = self.texture.sigmoid()
        if self.colors is not None:
            texel, points = self._texels()
            appearance.flatten(1)[:, texel] = self.colors(points).T
        size = max(appearance.shape[1:])  # a texture that is not square becomes so, nothing of it lost
        picture = nn.functional.interpolate(appearance[None], (size, size), mode="bilinear")[0]
        picture = picture.movedim(0, -1).cpu().numpy()
        inside = texels(mesh, size)[0]
        picture = dilate(picture.reshape(size * size, -1), inside, size).reshape(picture.shape)
        mesh.texture = _bytes(picture[..., :3])
        if self.shading == "pbr":
            mesh.metallic_roughness = _bytes(np.concatenate([np.ones_like(picture[..., :1]), picture[..., 3:5]], axis=-1))
        if self.normal_map:
            normal = np.concatenate([2 * picture[..., 5:] - 1, np.ones_like(picture[..., :1])], axis=-1)
            mesh.normal_map = _bytes(0.5 + 0.5 * normal / np.linalg.norm(normal, axis=-1, keepdims=True))
        return mesh

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *arguments: Any) -> None:
        """Make room for a mesh and a texture of other sizes, then load as usual."""
        for name in SHAPES:
            saved = state_dict.get(prefix + name)
            if saved is not None and saved.shape != getattr(self, name).shape:
                self._put(name, torch.empty_like(saved, device=self.vertices.device))
        super()._load_from_state_dict(state_dict, prefix, *arguments)
        self._neighbours = self._tangents = None


def bent(normal: Tensor, tangent: Tensor, slopes: Tensor) -> Tensor:
    """Unit normals `[N,3]` as a normal map turns them: its slopes `[N,2]` along +u and +v of tangent frames `[N,4]`, as
    `dreamforge.export.tangents` gives them."""
    along = tangent[:, :3] - normal * (tangent[:, :3] * normal).sum(1, keepdim=True)
    along = nn.functional.normalize(along, dim=1)
    across = torch.linalg.cross(normal, along) * tangent[:, 3:].sign()
    return nn.functional.normalize(normal + slopes[:, :1] * along + slopes[:, 1:] * across, dim=1)


def _bytes(picture: np.ndarray) -> np.ndarray:
    """Values in [0,1] as uint8."""
    return np.ascontiguousarray(np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8))
