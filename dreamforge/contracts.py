"""The shapes everything agrees on: what a scene renders, what a prior answers, what an objective returns.

Protocols, not base classes: anything with these methods fits.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from dreamforge.cameras import Cameras
from dreamforge.errors import UserError

if TYPE_CHECKING:
    from dreamforge.priors.noise import NoiseProcess


@dataclass
class Views:
    """What a scene shows to B cameras. Images are float32, sRGB where they are colours.

    rgb: `[B,3,H,W]` in [0,1], composited on the background. alpha: `[B,1,H,W]` opacity in [0,1].
    depth: `[B,1,H,W]` mean distance along the viewing axis, weighted by opacity and divided by alpha (0 where empty).
    normal: `[B,3,H,W]` world-space, weighted by opacity (its length is at most alpha), or None where not computed.
    distortion: `[B,1,H,W]` how far apart along each ray its opacity lies (Mip-NeRF 360), or None where not computed.
    variance: `[B,1,H,W]` of the distance along each ray, weighted by opacity and normalized, or None where not computed.
    """

    rgb: Tensor
    alpha: Tensor
    depth: Tensor
    normal: Tensor | None = None
    distortion: Tensor | None = None
    variance: Tensor | None = None


@dataclass
class Mesh:
    """A triangle mesh in world coordinates, counter-clockwise seen from outside.

    vertices: `[V,3]` float32. faces: `[F,3]` int32. normals: `[V,3]` unit vertex normals.
    colors: `[V,3]` sRGB in [0,1], or a texture: uv `[V,2]` in [0,1] with v up (glTF's v is 1 - v) and
    texture `[H,W,3]` uint8 sRGB, row 0 at v = 1.
    Without the following the colours are shown as they are; with either, they are an albedo to be lit. Both are
    `[H,W,3]` uint8, linear, of any size, on the same uv. metallic_roughness: as in glTF, roughness in G, metallic in B.
    normal_map: tangent space, (n + 1) / 2, +X along u and +Y along v (up on the picture), as in glTF and OpenGL.
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray | None = None
    colors: np.ndarray | None = None
    uv: np.ndarray | None = None
    texture: np.ndarray | None = None
    metallic_roughness: np.ndarray | None = None
    normal_map: np.ndarray | None = None

    @property
    def lit(self) -> bool:
        """Whether the colours are an albedo, which viewers are to light."""
        return self.metallic_roughness is not None or self.normal_map is not None


@dataclass
class Splats:
    """N Gaussians in world coordinates, float32: what splat files hold, in plain units.

    means: `[N,3]`. scales: `[N,3]` standard deviations along the axes of the rotation. quaternions: `[N,4]` wxyz, unit.
    opacities: `[N]` in [0,1]. sh: `[N,(degree+1)²,3]` coefficients of the sRGB colour less one half, as in
    `dreamforge.kernels.harmonics` and 3D Gaussian Splatting.
    """

    means: np.ndarray
    scales: np.ndarray
    quaternions: np.ndarray
    opacities: np.ndarray
    sh: np.ndarray

    @property
    def degree(self) -> int:
        """Of the spherical harmonics, 0 to 3."""
        return int(self.sh.shape[1] ** 0.5) - 1


class Scene(Protocol):
    """A 3D representation: a `torch.nn.Module` whose keyword-only constructor arguments are its config options.

    `state_dict()` holds everything that `render` and later steps depend on (densification statistics and occupancy
    included), and `load_state_dict` restores it even where tensor sizes have changed.
    """

    def render(self, cameras: Cameras, background: Tensor, normals: bool = False) -> Views:
        """Render B cameras on plain backgrounds `[B,3]`, with normals if asked for; differentiable in the parameters.

        `eval()` asks for the best still picture, `train()` for what the optimizer needs.
        """
        ...

    def param_groups(self) -> list[dict[str, Any]]:
        """Adam's parameter groups: one tensor each, with "name", "params" and "lr"."""
        ...

    def regularizers(self, views: Views) -> dict[str, Tensor]:
        """Scalar penalties by name; the recipe's weights decide which count."""
        ...

    def after_step(self, step: int, steps: int, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> None:
        """Called after each optimizer step (counting from 0, of `steps`): occupancy update, densify and prune.

        Where parameters change size the optimizer's groups and state are changed with them.
        """
        ...

    def to_mesh(self, resolution: int) -> Mesh:
        """The surface as a bare mesh (vertices, faces), about `resolution` cells across the unit sphere; or, from a
        scene that is itself a textured mesh, that mesh, which is then exported as it is.

        A scene of Gaussians also has `to_splats() -> Splats`.

        Raises UserError, saying what was found, for an empty or completely full scene.
        """
        ...


@dataclass(frozen=True)
class Condition:
    """What a prior is told about a batch: opaque to everything but the prior that made it."""

    data: Any


class PromptConditions:
    """The conditions of one step: what the pictures should be, and what guidance pushes away from.

    Each is made when an objective first asks for it, since a condition can be costly and many go unused.
    """

    def __init__(
        self,
        positive: Callable[[], Condition],
        negative: Callable[[], Condition],
        empty: Callable[[], Condition] | None = None,
        view_negatives: Sequence[Callable[[], Condition]] = (),
        view_weights: Tensor | None = None,
        beside: Callable[[Tensor], PromptConditions] | None = None,
        rescale: float = 0.0,
    ) -> None:
        """empty: left out where the negative is the empty prompt. view_negatives, view_weights: for Perp-Neg, K
        wordings of other views and how hard each pushes away `[B,K]`. beside: see the method. rescale: of what is
        guided (`priors.guidance.rescaled`)."""
        self._positive, self._negative, self._empty = positive, negative, empty
        self._view_negatives, self.view_weights, self._beside = view_negatives, view_weights, beside
        self.rescale = rescale

    def beside(self, image: Tensor) -> PromptConditions:
        """The same conditions with an image prompt as well: one picture `[3,H,W]` in [0,1], or one each
        `[B,3,H,W]`."""
        if self._beside is None:
            raise UserError("these conditions take no image prompt; choose another objective")
        return self._beside(image)

    def asking(self, positive: Callable[[], Condition]) -> PromptConditions:
        """The same, with something else asked for in place of the prompt."""
        other = copy.copy(self)
        other.__dict__.pop("positive", None)
        other._positive = positive
        return other

    @cached_property
    def positive(self) -> Condition:
        """The prompt, worded for each view."""
        return self._positive()

    @cached_property
    def negative(self) -> Condition:
        """The negative prompt, or the empty one."""
        return self._negative()

    @cached_property
    def empty(self) -> Condition:
        """The empty prompt: the unconditional model, whatever the user's negative prompt."""
        return self._empty() if self._empty else self.negative

    @cached_property
    def view_negatives(self) -> list[Condition]:
        """The prompt worded for views that are not this one."""
        return [make() for make in self._view_negatives]


class Prior(Protocol):
    """A frozen 2D diffusion model. Its keyword-only constructor arguments are its config options.

    It may say what it `provides`: "guidance" (the empty prompt means something to it), "gradient" (`predict` is
    differentiable in z_t) and "multi-view" (it sees the views of a batch together). Unsaid it is the first two.
    """

    noise: NoiseProcess
    device: torch.device

    def check(self, prompt: str) -> None:
        """Raise UserError, in one line, for a prompt it cannot understand. Called before anything heavy."""
        ...

    def encode(self, rgb: Tensor) -> Tensor:
        """Pictures `[B,3,H,W]` in [0,1] sRGB to what the model diffuses; differentiable."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """The inverse, for looking at."""
        ...

    def condition(
        self,
        prompts: Sequence[str],
        cameras: Cameras | None = None,
        background: Tensor | None = None,
        image: Tensor | None = None,
    ) -> Condition:
        """What to tell the model about B pictures: a prompt each, and where it can use them their cameras and the
        plain background `[B,3]` they were composited on. An empty prompt asks for the unconditional model.

        image: an image prompt, a picture of what is wanted `[3,H,W]` in [0,1], or one each `[B,3,H,W]`. Without one a
        prior that takes image prompts answers with its null image. UserError from a prior that takes none.
        """
        ...

    def predict(self, z_t: Tensor, t: Tensor, conditions: Sequence[Condition]) -> list[Tensor]:
        """The noise eps in z_t `[B,...]` at timesteps t `[B]` under each condition, in one batched forward."""
        ...


@runtime_checkable
class Pretrained(Protocol):
    """What a prior with weights and text encoders may offer besides."""

    checkpoint: dict[str, str | None]
    """What the run's manifest says of its weights."""

    def read(self, prompts: Iterable[str]) -> None:
        """Called once before the first step with every prompt to come: the text encoders can go from memory."""
        ...


class Reward(Protocol):
    """A scorer of pictures. Its keyword-only constructor arguments are its config options.

    One that compares with the image prompt takes `image` too, `[3,H,W]`, or None where the run has none.
    """

    def __call__(
        self, pictures: Tensor, prompt: str, cameras: Cameras | None = None, background: Tensor | None = None
    ) -> Tensor:
        """How well pictures `[B,3,H,W]` in [0,1] show the prompt, `[B]`, higher is better; differentiable in the
        pictures where it is to pull by itself. Cameras and plain backgrounds `[B,3]` for those who can use them."""
        ...


@dataclass(frozen=True)
class Second:
    """Another prior over the same latents, and what it is told of the step's views."""

    prior: Prior
    prompt: PromptConditions


@dataclass(frozen=True)
class Source:
    """What an edit starts from, seen by the step's own cameras: its latents `[B,...]` and the conditions of the prompt
    that describes it."""

    z: Tensor
    prompt: PromptConditions


class Phi:
    """The learned score of the renders as an objective sees it in one step: it answers like a prior.

    `predict(z_t, t, conditions)` gives the noise in z_t under each of its own conditions, in one batched forward.
    """

    def __init__(
        self,
        predict: Callable[[Tensor, Tensor, Sequence[Condition]], list[Tensor]],
        posed: Callable[[], Condition],
        free: Callable[[], Condition],
        empty: Callable[[], Condition] | None = None,
        teacher: Phi | None = None,
        running: Callable[[Tensor, float], Tensor] = lambda value, keep: value,
    ) -> None:
        """posed, free, empty: make the conditions when they are first asked for. teacher: a second learned score, of
        pictures as they should be, for the methods that make one; None while nothing else than it is being learned.
        running: a mean that outlives the step, of a scalar and a share `keep` of what it was before."""
        self.predict, self._posed, self._free, self._empty = predict, posed, free, empty
        self.teacher, self.running = teacher, running

    @cached_property
    def posed(self) -> Condition:
        """Pictures of the scene from the step's cameras."""
        return self._posed()

    @cached_property
    def free(self) -> Condition:
        """Pictures of the scene from anywhere."""
        return self._free()

    @cached_property
    def empty(self) -> Condition:
        """As `posed`, under the empty prompt; the same where phi does not read the prompt."""
        return self._empty() if self._empty else self.posed


class LearnedScore(Protocol):
    """The score of the noised renders, learned while they are made: phi of VSD and its kin.

    A `torch.nn.Module`: its `state_dict()` and the state of its optimizer, which has one named group a parameter, hold
    everything that later steps depend on.
    """

    optimizer: torch.optim.Optimizer

    def phi(self, prompt: str, cameras: Cameras, background: Tensor) -> Phi:
        """What an objective may ask in a step. prompt: the same for every view."""
        ...

    def learn(
        self, z: Tensor, prompt: str, cameras: Cameras, background: Tensor, progress: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Train on what a step rendered, z `[B,...]`, with noise of its own; returns figures to log."""
        ...


@dataclass
class Distilled:
    """What an objective returns: the gradient on the latent (descent moves z against it), figures to log, and where
    it pulls on the picture itself the gradient there `[B,3,H,W]`."""

    grad: Tensor
    info: dict[str, Tensor] = field(default_factory=dict)
    rgb: Tensor | None = None


@dataclass(frozen=True)
class Method:
    """An entry of the table of objectives.

    evaluations: of the prior for each view, at a guidance other than 1. needs: keys of `objectives.needs.NEEDS`.
    """

    function: Callable[..., Distilled]
    evaluations: str = "?"
    needs: Set[str] = frozenset()
