"""Typed configuration: every value of a recipe is checked before anything heavy happens.

`load` lays the recipe's files (`dreamforge.recipes`) and then the command line's `key.path=value` over one another, and
returns the typed `RunConfig` and where each value came from.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dreamforge.components import Count, Fraction, Range, check_value, find, options_of
from dreamforge.errors import UserError, did_you_mean, one_line
from dreamforge.objectives.clipping import check_clips
from dreamforge.recipes import is_schedule, laid, parse_override
from dreamforge.rendering.background import check_background
from dreamforge.schedules import Scheduled


@dataclass
class Component:
    """A named component and its checked options."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class StageConfig:
    """One optimization: a scene, what pulls on it, and the views it is seen from."""

    name: str = "optimize"
    steps: Annotated[int, Range(0)] = 300
    batch: Count = 4
    size: Annotated[int, Range(8, 4096)] = 64
    scene: Annotated[Component | None, "scenes"] = None
    """None continues with the previous stage's scene; another kind of scene starts from what that shows."""
    view: Literal["rgb", "normal"] = "rgb"
    """What the prior sees of the scene: its colours, or its world-space normals as a picture (Fantasia3D)."""
    prompt: str = ""
    """What this stage makes, where it is not the run's prompt: the `source_prompt` before an edit."""
    objective: Annotated[Component, "objectives"] = field(default_factory=lambda: Component("sds"))
    phi: Annotated[Component | None, "phi"] = None
    """The learned score of objectives that need one. None: "lora" on a prior that is a UNet, else "network"."""
    particles: Count = 1
    """Scenes optimized side by side under one phi, one of them each step. The first is the one that goes on."""
    cameras: Annotated[Component, "cameras"] = field(default_factory=lambda: Component("random"))
    timesteps: Annotated[Component, "timesteps"] = field(default_factory=lambda: Component("uniform"))
    background: Annotated[str, check_background] = "random"
    view_prompts: bool = True
    """Append ", front view" and so on to the prompt."""
    perp_neg: bool = False
    """Let the wordings of other views push away (Perp-Neg), against a face on every side."""
    debias: str = ""
    """A masked language model (folder or hub id, such as bert-base-uncased) that drops words of the prompt which speak
    against a view from the wording of that view."""
    rescale: Fraction = 0.0
    """CFG rescale: how far the spread of guided pictures is brought back to that of unguided ones, against saturation."""
    second_prior: Annotated[Component | None, "priors"] = None
    """Another prior over the same latents, for the objectives that take two."""
    second_prompt: str = ""
    """What it is told, where that is not the stage's prompt."""
    clip: Annotated[dict[str, Scheduled], check_clips] = field(default_factory=dict)
    """Limits on the objective's gradient: "values" each element, "pixels" each pixel's channels together."""
    reward: Annotated[Component | None, "rewards"] = None
    """A scorer of pictures, for the objectives that choose by one and for `reward_weight`."""
    reward_weight: Scheduled = 0.0
    """How hard the reward pulls by itself on the rendered picture, relative to the objective per view."""
    regularizers: dict[str, Scheduled] = field(default_factory=dict)
    """Weights of the scene's penalties, relative to the objective per view."""
    lr: Scheduled = 1.0
    """Multiplies every learning rate of the scene."""


@dataclass
class ExportConfig:
    """How the final scene becomes a file."""

    formats: list[str] = field(default_factory=lambda: ["glb"])
    resolution: Annotated[int, Range(16, 1024)] = 128
    """Cells across the unit sphere when the surface is extracted."""
    texture: Annotated[int, Range(64, 8192)] = 1024
    """Side of the texture, pixels."""
    faces: Annotated[int, Range(100, 2_000_000)] = 10_000
    """Face budget after decimation."""
    image: Literal["png", "jpeg", "webp"] = "png"
    """How the colours of a texture are stored."""
    pbr: bool = False
    """Whether viewers light the asset: a metallic-roughness material, with the surface's detail in a normal map."""


Axis = Literal["x", "-x", "y", "-y", "z", "-z"]


def check_box(box: list[float], where: str) -> None:
    """UserError for what are not the two corners of a box."""
    if box and (len(box) != 6 or any(low >= high for low, high in zip(box[:3], box[3:], strict=True))):
        raise UserError(f"{where}: {box} is no box; give its lowest and its highest corner, x0,y0,z0,x1,y1,z1")


@dataclass
class RegionConfig:
    """The part of a source that may change: what all of those given agree on; all of it where none is given."""

    box: Annotated[list[float], check_box] = field(default_factory=list)
    """Its lowest and its highest corner x, y, z, x, y, z, in the source's own coordinates, y up."""
    material: str = ""
    """The faces of a mesh file that wear a material."""
    painted: str = ""
    """A mesh file of the same thing whose vertices are white where it may change and black elsewhere."""
    needed: bool = False
    """Whether the recipe means nothing without one."""


@dataclass
class RunConfig:
    """Everything a run depends on."""

    prompt: str = ""
    negative: str = ""
    source: str = ""
    """What an edit begins with: a file of a mesh or of splats, or a run folder."""
    up: Axis = "y"
    """Which of a source's own directions is up."""
    front: Axis | None = None
    """Which is its front; null for z, or -y where z is up, as Blender and many scans have it."""
    source_prompt: str = ""
    """What an edit starts from, in words."""
    region: RegionConfig = field(default_factory=RegionConfig)
    budget: Annotated[float | None, Range(0, 1)] = None
    """How far an edit may move anything, as a share of the source's size; 0 keeps its shape, null sets no limit."""
    image: str = ""
    """A picture of what is wanted, for methods with an image prompt; left out, they draw one from the prior."""
    seed: Annotated[int, Range(0, 2**31)] = 0
    device: str = "auto"
    prior: Annotated[Component, "priors"] = field(default_factory=lambda: Component("toyworld"))
    stages: list[StageConfig] = field(default_factory=list)
    export: ExportConfig = field(default_factory=ExportConfig)
    log_every: Count = 10
    """Steps between lines of metrics.jsonl (and host synchronizations)."""
    preview_every: Count = 50
    checkpoint_every: Count = 100


def load(recipe: str, overrides: Sequence[str] = (), **settings: Any) -> tuple[RunConfig, dict[str, str]]:
    """The checked configuration of a recipe (a shipped name or a .yaml file), `key.path=value` overrides and
    top-level settings.

    Also returns where each leaf came from: path -> recipe name or "command line"; absent means the default.
    Raises UserError with one line for anything wrong in it.
    """
    tree, origins = laid(recipe, [("command line", layer) for layer in (settings, *map(parse_override, overrides))])
    try:
        tree = OmegaConf.to_container(OmegaConf.create(tree), resolve=True)  # ${prior.folder} and the like
    except OmegaConfBaseException as error:
        raise UserError(f"{recipe}: {one_line(error)}") from error
    return typed(tree), origins


def typed(tree: dict[str, Any]) -> RunConfig:
    """A plain tree as a `RunConfig`, every key and value checked."""
    config = _dataclass(RunConfig, tree, "")
    if not config.stages:
        raise UserError("stages: the recipe has none; give it at least one")
    for index, stage in enumerate(config.stages):
        if stage.scene is None and stage.particles > 1:
            raise UserError(f"stages.{index}.particles: the scenes are those of an earlier stage; set particles there")
    from dreamforge.export import FORMATS

    if not config.export.formats:
        raise UserError(f"export.formats: name at least one{did_you_mean('', FORMATS)}")
    for index, name in enumerate(config.export.formats):
        if name not in FORMATS:
            raise UserError(f"export.formats.{index}: no format '{name}'{did_you_mean(name, FORMATS)}")
        if hasattr(FORMATS[name], "check_installed"):
            FORMATS[name].check_installed(f"export.formats.{index}")
    return config


def with_export(config: RunConfig, **settings: Any) -> RunConfig:
    """The configuration with other keys of `export`, checked."""
    tree = plain(config)
    return typed({**tree, "export": {**tree["export"], **settings}})


def plain(config: Any) -> Any:
    """A configuration as nested dicts and lists, the inverse of `typed`."""
    if isinstance(config, Component):
        return {"name": config.name, **plain(config.options)}
    if dataclasses.is_dataclass(config):
        return {f.name: plain(getattr(config, f.name)) for f in dataclasses.fields(config)}
    if isinstance(config, dict):
        return {key: plain(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [plain(value) for value in config]
    return config


def explain(recipe: str, overrides: Sequence[str] = ()) -> list[str]:
    """A recipe in full, a line `key.path=value  # origin` for each value; the part before # is an override."""
    config, origins = load(recipe, overrides)
    leaves = list(_leaves(plain(config), ""))
    texts = [f"{path}={_as_yaml(value)}" for path, value in leaves]
    width = min(60, max(map(len, texts)))
    return [
        f"{text:{width}}  # {origins.get(path, 'default')}" for text, (path, _) in zip(texts, leaves, strict=True)
    ]


def _as_yaml(value: Any) -> str:
    """A value on one line, as an override would write it."""
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n").strip()


def _leaves(tree: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Dotted paths and values, the same paths that overrides use."""
    if isinstance(tree, dict) and tree and not is_schedule(tree):
        for key, value in tree.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(tree, list) and tree and isinstance(tree[0], dict):
        for index, value in enumerate(tree):
            yield from _leaves(value, f"{path}.{index}")
    else:
        yield path, tree


def _dataclass(schema: type, tree: Any, path: str) -> Any:
    """An instance of the dataclass `schema` from a plain mapping."""
    if not isinstance(tree, dict):
        raise UserError(f"{path or 'the recipe'}: {tree!r} is not a mapping")
    hints = typing.get_type_hints(schema, include_extras=True)
    for key in tree:
        if key not in hints:
            raise UserError(f"{path + '.' if path else ''}{key}: no such key{did_you_mean(str(key), hints)}")
    config = schema()
    for key, hint in hints.items():
        default = getattr(config, key)
        value = tree.get(key, default.name if isinstance(default, Component) else default)
        if isinstance(default, Component) and isinstance(value, dict):
            value = {"name": default.name, **value}
        if key in tree or isinstance(default, Component):
            setattr(config, key, _value(value, hint, f"{path}.{key}" if path else key))
    return config


def _value(value: Any, hint: Any, path: str) -> Any:
    base, *extras = typing.get_args(hint) if typing.get_origin(hint) is Annotated else (hint,)
    if base is Component or Component in typing.get_args(base):
        return None if value is None and base is not Component else _component(value, extras[0], path)
    if typing.get_origin(base) is list and dataclasses.is_dataclass(typing.get_args(base)[0]):
        if not isinstance(value, list):
            raise UserError(f"{path}: {value!r} is not a list")
        return [_dataclass(typing.get_args(base)[0], item, f"{path}.{i}") for i, item in enumerate(value)]
    if dataclasses.is_dataclass(base):
        return _dataclass(base, value, path)
    if typing.get_origin(base) is dict:
        if not isinstance(value, dict):
            raise UserError(f"{path}: {value!r} is not a mapping")
        for check in extras:
            check(value, path)
        return {key: check_value(item, typing.get_args(base)[1], f"{path}.{key}") for key, item in value.items()}
    return check_value(value, hint, path)


def _component(value: Any, kind: str, path: str) -> Component:
    tree = {"name": value} if isinstance(value, str) else value
    if not isinstance(tree, dict) or not isinstance(tree.get("name"), str):
        raise UserError(f"{path}: {value!r} names no component; write its name, or {{name: …, option: value}}")
    options = options_of(kind, find(kind, tree["name"], path))
    for key in tree:
        if key != "name" and key not in options:
            raise UserError(f"{path}.{key}: {tree['name']} has no such option{did_you_mean(str(key), options)}")
    return Component(
        tree["name"],
        {
            key: check_value(tree.get(key, default), annotation, f"{path}.{key}")
            for key, (annotation, default) in options.items()
        },
    )
