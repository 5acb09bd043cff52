"""Textured meshes: they take over, show, learn and give back a surface and its colours."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from dreamforge.cameras import orbit, sphere
from dreamforge.config import Component, StageConfig
from dreamforge.contracts import Mesh
from dreamforge.errors import UserError
from dreamforge.optimize import Progress, make_optimizer, optimize
from dreamforge.rendering.raster import render_mesh
from dreamforge.rendering.surface import Seen
from dreamforge.scenes.convert import hand_over
from dreamforge.scenes.gaussians import Gaussians
from dreamforge.scenes.mesh import TexturedMesh, bent
from dreamforge.scenes.tet import Tets
from tests.export.shapes import figure, scene_of

CAMERAS, WHITE = orbit([15.0, 200.0], [10.0, 30.0], size=96), torch.ones(2, 3)


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * torch.log10((a - b).square().mean()))


@cache
def taken_over() -> TexturedMesh:
    """The figure, taken over from its views."""
    scene = TexturedMesh(resolution=64, face_count=4000, texture_size=256)
    scene.adopt_scene(scene_of(figure()))
    return scene.eval()


@torch.no_grad()
def test_it_takes_over_and_gives_back_what_a_scene_shows() -> None:
    scene = taken_over()
    shown = scene.render(CAMERAS, WHITE)
    assert psnr(shown.rgb, render_mesh(figure(), CAMERAS, WHITE).rgb) > 26
    given = scene.to_mesh(64)
    assert given.texture.shape == (256, 256, 3) and not given.lit
    again = render_mesh(given, CAMERAS, WHITE, supersample=3)
    assert psnr(shown.rgb, again.rgb) > 34
    assert (shown.depth - again.depth)[(shown.alpha > 0.99) & (again.alpha > 0.99)].abs().median() < 2e-3
    agree = (shown.normal * again.normal).sum(1)[(shown.alpha > 0.99)[:, 0] & (again.alpha > 0.99)[:, 0]]
    assert agree.mean() > 0.98


def test_seams_of_the_texture_are_not_seams_of_the_surface() -> None:
    """Faces share vertices over seams: no vertex is twice, and nothing tears when vertices move."""
    scene = taken_over()
    assert len(scene.vertices) < len(scene.uv)
    assert len(np.unique(scene.vertices.numpy(), axis=0)) == len(scene.vertices)


def test_a_state_of_another_size_is_restored() -> None:
    scene, other = taken_over(), TexturedMesh(texture_size=64)
    other.load_state_dict(scene.state_dict())
    with torch.no_grad():
        assert (other.eval().render(CAMERAS, WHITE).rgb == scene.render(CAMERAS, WHITE).rgb).all()
    assert {group["name"] for group in other.param_groups()} == {"texture", "offsets"}
    assert [g["name"] for g in TexturedMesh(texture_size=64, offset_lr=0).param_groups()] == ["texture"]


def test_a_mesh_becomes_a_mesh_without_loss_and_a_material_goes_along() -> None:
    lit = TexturedMesh(texture_size=256, shading="pbr")
    hand_over(taken_over(), lit)
    assert lit.texture.shape == (5, 256, 256) and len(lit.vertices) == len(taken_over().vertices)
    given = lit.to_mesh(64)
    assert given.lit and abs(int(given.metallic_roughness[..., 1].mean()) - 0.6 * 255) < 1
    assert np.abs(given.texture.astype(int) - taken_over().to_mesh(64).texture.astype(int)).max() <= 1
    other = TexturedMesh(texture_size=64, shading="pbr")
    hand_over(lit, other)
    assert np.abs(other.to_mesh(64).metallic_roughness.astype(int) - given.metallic_roughness.astype(int)).max() <= 2


def test_slopes_bend_normals_along_the_texture() -> None:
    """Up the surface's +X along u and, as the bitangent's sign says, its +Y or -Y along v; flat slopes change nothing."""
    up, tangent = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[2.0, 0.0, 0.5, 1.0]])
    for slopes, sign, expected in (((0.5, 0), 1, (0.5, 0, 1)), ((0, 0.5), 1, (0, 0.5, 1)), ((0, 0.5), -1, (0, -0.5, 1)), ((0, 0), 1, (0, 0, 1))):
        tangent[0, 3] = sign
        got = bent(up, tangent, torch.tensor([slopes]))
        torch.testing.assert_close(got, torch.nn.functional.normalize(torch.tensor([expected]).float(), dim=1))


def waves(size: int) -> np.ndarray:
    """A normal map of ripples along u and v."""
    place = np.arange(size) / size * 2 * np.pi * 24
    normal = np.stack(np.broadcast_arrays(0.4 * np.sin(place)[None], 0.3 * np.cos(place)[:, None], 1.0), axis=-1)
    return np.round((normal / np.linalg.norm(normal, axis=-1, keepdims=True) + 1) * 127.5).astype(np.uint8)


def test_a_normal_map_is_learned_from_pictures_and_given_back() -> None:
    """From flat, under the camera's lamp, toward pictures of a rippled ball; what is given back is what was taken."""
    truth, scene = (
        TexturedMesh(texture_size=128, shading="pbr", normal_map=True, point_light=1.0, offset_lr=0) for _ in range(2)
    )
    rippled = replace(truth.to_mesh(64), normal_map=waves(128))
    truth.adopt(rippled, torch.device("cpu"))
    again = truth.to_mesh(64)
    inside = truth._texels()[0].numpy()
    assert np.abs(again.normal_map.astype(int) - waves(128)).reshape(-1, 3)[inside].max() <= 1
    cameras, white = sphere(6, 48), torch.ones(6, 3)
    wanted = truth.render(cameras, white).rgb.detach()
    optimizer, losses = make_optimizer(scene), []
    for _ in range(40):
        loss = (scene.render(cameras, white).rgb - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
    slopes = [mesh.texture[5:].sigmoid().flatten(1)[:, inside] for mesh in (scene, truth)]
    assert torch.corrcoef(torch.stack([x.flatten() for x in slopes]))[0, 1] > 0.4


@torch.no_grad()
def test_the_lamp_shines_from_the_camera_and_the_studio_from_above() -> None:
    """A ball is as bright from below as from above by the lamp alone, dimmer from below in the studio."""
    cameras, black = orbit([0.0, 0.0], [60.0, -60.0], size=32), torch.zeros(2, 3)
    lamp, studio, both = (
        TexturedMesh(texture_size=64, shading="pbr", point_light=share).render(cameras, black).rgb.mean((1, 2, 3))
        for share in (1.0, 0.0, 0.5)
    )
    assert lamp[0] == pytest.approx(float(lamp[1]), rel=0.02) and studio[0] > 1.1 * studio[1]
    assert min(lamp[1], studio[1]) < both[1] < max(lamp[1], studio[1])
    with pytest.raises(UserError, match="shading=pbr"):
        TexturedMesh(texture_size=64, point_light=0.5)


@pytest.mark.parametrize("options", [{"shading": "pbr", "normal_map": True, "point_light": 0.5}, {"appearance": "hashgrid"}])
def test_painting_everywhere_is_painting_the_surface(options: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, where nobody counts the pixels that show it: the same pictures and gradients."""
    scene, found = TexturedMesh(texture_size=64, **options), []
    for everywhere in (False, True):
        monkeypatch.setattr(Seen, "everywhere", everywhere)
        scene.zero_grad()
        shown = scene.render(CAMERAS, WHITE).rgb
        shown.square().sum().backward()
        found.append((shown.detach(), *(group["params"].grad.clone() for group in scene.param_groups())))
    for one, other in zip(*found, strict=True):
        assert one.any()
        torch.testing.assert_close(other, one, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_colours_in_space_become_a_texture_on_the_way_out() -> None:
    """A hash grid takes the texture over, shows it, learns in its place, and is baked."""
    scene = TexturedMesh(texture_size=64, appearance="hashgrid")
    hand_over(taken_over(), scene)
    scene.eval()
    assert [group["params"].shape[0] for group in scene.param_groups()] == [6, len(scene.vertices)]
    assert psnr(scene.render(CAMERAS, WHITE).rgb, taken_over().render(CAMERAS, WHITE).rgb) > 30
    scene.colors.table += 0.3  # all a little brighter, which the texture itself does not know
    shown = scene.render(CAMERAS, WHITE)
    assert psnr(shown.rgb, render_mesh(scene.to_mesh(64), CAMERAS, WHITE, supersample=3).rgb) > 34
    assert shown.rgb.mean() > taken_over().render(CAMERAS, WHITE).rgb.mean() + 0.01


@torch.no_grad()
def test_a_texture_that_is_not_square_comes_back_as_one_that_is() -> None:
    given = taken_over().to_mesh(64)
    wide = replace(given, texture=given.texture[::2].copy())
    scene = TexturedMesh(texture_size=64)
    scene.adopt(wide, torch.device("cpu"))
    again = scene.to_mesh(64)
    assert scene.texture.shape == (3, 128, 256) and again.texture.shape == (256, 256, 3)
    assert psnr(*(render_mesh(mesh, CAMERAS, WHITE).rgb for mesh in (wide, again))) > 35


@torch.no_grad()
def test_a_mesh_becomes_splats_where_it_is() -> None:
    splats = Gaussians(seed=0, count=4000)
    hand_over(taken_over(), splats)
    shown, truth = splats.eval().render(CAMERAS, WHITE), taken_over().render(CAMERAS, WHITE)
    assert psnr(shown.rgb, truth.rgb) > 20
    assert ((shown.alpha > 0.5) == (truth.alpha > 0.5)).float().mean() > 0.97
    more = Gaussians(seed=1, count=100)
    hand_over(splats, more)
    assert (more.means == splats.means).all()


class Towards:
    """A prior whose every picture is the one that a mesh shows: its noise prediction draws straight to it."""

    device = torch.device("cpu")

    def __init__(self, mesh: Mesh, noise: object) -> None:
        self.mesh, self.noise = mesh, noise

    def encode(self, rgb: torch.Tensor) -> torch.Tensor:
        return 2 * rgb - 1

    def condition(self, prompts: list[str], cameras: object, background: torch.Tensor) -> torch.Tensor:
        return 2 * render_mesh(self.mesh, cameras, background, supersample=3).rgb - 1

    def predict(self, z_t: torch.Tensor, t: torch.Tensor, conditions: list[torch.Tensor]) -> list[torch.Tensor]:
        alpha, sigma = self.noise.alpha_sigma(t, z_t)
        return [(z_t - alpha * picture) / sigma for picture in conditions]


def chamfer(a: Mesh, b: Mesh) -> float:
    """Mean distance between two surfaces, both ways, in shares of the size of the second."""
    import trimesh
    from scipy.spatial import cKDTree

    first, second = (
        trimesh.sample.sample_surface(trimesh.Trimesh(m.vertices, m.faces, process=False), 40_000, seed=0)[0] for m in (a, b)
    )
    apart = cKDTree(first).query(second)[0].mean() + cKDTree(second).query(first)[0].mean()
    return 0.5 * apart / np.linalg.norm(np.ptp(b.vertices, axis=0))


def potato() -> Mesh:
    """A closed surface far from a ball, each side in another colour."""
    import trimesh

    shape = trimesh.creation.icosphere(4, 0.5)
    x, y, z = shape.vertices.T
    vertices = shape.vertices * (1 + 0.35 * np.sin(5 * x + 1) * np.cos(4 * y) + 0.15 * np.sin(6 * z))[:, None]
    colors = 0.5 + 0.4 * np.sin(4 * shape.vertices + [0, 1, 2])
    shape = trimesh.Trimesh(vertices, shape.faces, process=False)
    return Mesh(vertices.astype(np.float32), shape.faces.astype(np.int32), shape.vertex_normals.astype(np.float32), colors.astype(np.float32))


def test_a_known_object_is_recovered_from_a_ball() -> None:
    """Tetrahedra, then a mesh of them: Chamfer within 1 % of the size, 28 dB on other views."""
    from dreamforge.priors.noise import NoiseProcess

    truth = potato()
    prior = Towards(truth, NoiseProcess.stable_diffusion())
    scene = Tets(cells=24)
    stages = [
        StageConfig(steps=90, size=48, lr={0: 1, 1: 0.3}, regularizers={"laplacian": 20.0}),
        StageConfig(steps=30, size=64, lr={0: 1, 1: 0.3}, regularizers={"laplacian": 20.0}),
    ]
    for number, stage in enumerate(stages):
        stage.objective = Component("sds", {"guidance": 1.0})
        if number:
            before, scene = scene, TexturedMesh(texture_size=128, face_count=3000, resolution=48)
            hand_over(before, scene.train())
        for _ in optimize(stage, scene, prior, "", "", 0, number, Progress(make_optimizer(scene))):
            pass
    made = scene.to_mesh(64)
    cameras = sphere(6, 96)
    shown = psnr(render_mesh(made, cameras, torch.ones(6, 3)).rgb, render_mesh(truth, cameras, torch.ones(6, 3)).rgb)
    apart = chamfer(made, truth)
    print(f"{shown:.1f} dB, Chamfer {100 * apart:.2f} %")
    assert shown >= 28
    assert apart <= 0.01


def test_the_prior_can_be_shown_normals(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `view: normal` the front of a ball is what a normal map of it is: blue toward +Z, red toward +X."""
    from dreamforge.priors.noise import NoiseProcess

    shown = []
    prior = Towards(potato(), NoiseProcess.stable_diffusion())
    monkeypatch.setattr(prior, "encode", lambda rgb: shown.append(rgb.detach()) or 2 * rgb - 1)
    still = Component("random", {"azimuth": [0.0, 0.0], "elevation": [0.0, 0.0], "stratified": False})
    stage = StageConfig(steps=1, batch=1, size=33, view="normal", background="black", cameras=still)
    stage.objective = Component("sds", {"guidance": 1.0})
    scene = Tets(cells=16)
    next(iter(optimize(stage, scene, prior, "", "", 0, 0, Progress(make_optimizer(scene)))))
    picture = shown[0][0]
    torch.testing.assert_close(picture[:, 16, 16], torch.tensor([0.5, 0.5, 1.0]), atol=0.06, rtol=0)
    assert picture[0, 16, 22] > 0.8 and picture[0, 16, 10] < 0.2 and picture[1, 10, 16] > 0.8
    assert picture[:, 0, 0].abs().max() == 0
