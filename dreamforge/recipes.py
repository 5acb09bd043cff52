"""Recipes as files: a small YAML file each, inheriting another one by `base: NAME`, and laid over one another.

Mappings merge key by key, lists of stages element by element. What stands under `published` is laid over a recipe for
priors that are real checkpoints: the settings that a method was published with. What the result means is
`dreamforge.config`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dreamforge.errors import UserError, did_you_mean, one_line

COMPONENT_KEYS = {"prior", "second_prior", "scene", "objective", "cameras", "timesteps", "reward", "phi"}
"""The keys whose values name a component, as text or as {name: …, option: value}."""


EMBEDDED = {"toyworld", "empirical", "analytic", "ember", "ember-mv"}
"""The priors that recipes are set for by themselves; with others `published` applies."""
PUBLISHED = ", published"

Layer = tuple[str, dict[str, Any]]
"""Where settings come from, and the settings."""


def recipes() -> dict[str, Path]:
    """The recipes that ship with the package, by name."""
    return {path.stem: path for path in sorted((Path(__file__).parent / "configs").glob("*.yaml"))}


def laid(recipe: str, given: Sequence[Layer]) -> tuple[dict[str, Any], dict[str, str]]:
    """A recipe with what is given laid over it, as a plain tree, and where each leaf came from."""
    layers = _recipe_layers(recipe)
    tree, origins = _merged([*(layer for layer in layers if not layer[0].endswith(PUBLISHED)), *given])
    if tree.get("prior", {}).get("name", "toyworld") in EMBEDDED:
        return tree, origins
    return _merged([*layers, *given])


def _merged(layers: Sequence[Layer]) -> tuple[dict[str, Any], dict[str, str]]:
    tree: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for source, layer in layers:
        tree = merge(tree, layer, source, origins, "")
    return tree, origins


def _recipe_layers(recipe: str) -> list[Layer]:
    """The recipe's chain of bases, the most basic first, then the recipe itself; after each what it has as published."""
    layers: list[Layer] = []
    path = _find_recipe(recipe, None)
    while path is not None:
        if any(source == path.stem for source, _ in layers):
            raise UserError(f"{path}: recipes inherit in a circle")
        layer = _read(path)
        base, published = layer.pop("base", None), layer.pop("published", {})
        if not isinstance(published, dict):
            raise UserError(f"{path}: published is a mapping of keys to values, as the recipe itself")
        layers[:0] = [(path.stem, layer), (path.stem + PUBLISHED, published)]
        path = _find_recipe(str(base), path) if base is not None else None
    return layers


def _find_recipe(name: str, inheritor: Path | None) -> Path:
    if name.endswith((".yaml", ".yml")):
        path = (inheritor.parent if inheritor else Path()) / name
        if not path.is_file():
            raise UserError(f"recipe file not found: {path}; `dreamforge list recipes` shows those that ship")
        return path
    sibling = inheritor.with_name(f"{name}.yaml") if inheritor else None
    if sibling and sibling.is_file() and sibling != inheritor:
        return sibling
    known = recipes()
    if name not in known:
        raise UserError(f"no recipe named '{name}'{did_you_mean(name, known)}; a path must end in .yaml")
    return known[name]


def _read(path: Path) -> dict[str, Any]:
    try:
        tree = OmegaConf.to_container(OmegaConf.load(path))
    except (yaml.YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {one_line(error)}") from error
    if not isinstance(tree, dict):
        raise UserError(f"{path}: a recipe is a mapping of keys to values")
    return tree


def parse_override(text: str) -> dict[str, Any]:
    """`stages.0.steps=200` as the tree {"stages": {"0": {"steps": 200}}}; a value is YAML."""
    key, separator, value = text.partition("=")
    if not separator or not re.fullmatch(r"\w+(\.\w+)*", key):
        raise UserError(f"'{text}' is not an override; write key=value, such as stages.0.steps=200")
    try:
        tree: Any = OmegaConf.to_container(OmegaConf.from_dotlist([f"value={value}"]))["value"]
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"{key}: cannot read the value '{value}': {one_line(error)}") from error
    for part in reversed(key.split(".")):
        tree = {part: tree}
    return tree


def merge(below: Any, above: Any, source: str, origins: dict[str, str], path: str) -> Any:
    """`above` laid over `below`: mappings by key, lists of mappings by index, anything else replaced."""
    component = path.rpartition(".")[2] in COMPONENT_KEYS
    if component and isinstance(above, str):
        above = {"name": above}
    if isinstance(above, list) and all(isinstance(item, dict) for item in above):
        return _merge_list(below or [], enumerate(above), source, origins, path)
    if isinstance(below, list) and isinstance(above, dict):
        return _merge_list(below, above.items(), source, origins, path)
    if not isinstance(above, dict) or is_schedule(above):
        origins[path] = source
        return above
    merged = dict(below) if isinstance(below, dict) and not is_schedule(below) else {}
    if component and "name" in above and above["name"] != merged.get("name"):
        merged = {}  # another component: the options of the one it replaces mean nothing to it
        for key in [key for key in origins if key.startswith(f"{path}.")]:
            del origins[key]
    for key, value in above.items():
        merged[key] = merge(merged.get(key), value, source, origins, f"{path}.{key}" if path else str(key))
    return merged


def _merge_list(
    below: list[Any], above: Iterable[tuple[Any, Any]], source: str, origins: dict[str, str], path: str
) -> list[Any]:
    merged = list(below)
    for key, value in above:
        if not str(key).isdigit() or int(key) > len(merged):
            raise UserError(f"{path}.{key}: the list has {len(merged)} elements; use an index from 0 to {len(merged)}")
        if int(key) == len(merged):
            merged.append({})
        merged[int(key)] = merge(merged[int(key)], value, source, origins, f"{path}.{key}")
    return merged


def is_schedule(value: Any) -> bool:
    """Whether a mapping is a scheduled scalar, which is one value and not a level of the tree."""
    return isinstance(value, dict) and bool(value) and not any(isinstance(key, str) for key in value)
