"""What an edit is to begin with, read and checked, and the configuration that goes with it."""

from __future__ import annotations

from dataclasses import replace
from hashlib import file_digest
from pathlib import Path
from typing import Any

from dreamforge.building import takes
from dreamforge.components import options_of, table
from dreamforge.config import Component, RunConfig
from dreamforge.contracts import Mesh, Splats
from dreamforge.editing.canvas import with_canvas
from dreamforge.editing.original import Original, kept
from dreamforge.editing.region import confined
from dreamforge.editing.restoring import edited
from dreamforge.errors import UserError
from dreamforge.export import load_asset, textured_mesh
from dreamforge.export.frame import UNMOVED, Frame, standing
from dreamforge.recipes import recipes
from dreamforge.runs import Run
from dreamforge.saving import last_scene


def opened(config: RunConfig, origins: dict[str, str]) -> tuple[RunConfig, Original | None]:
    """A configuration as its source completes it, and the source; the same and None where it begins with nothing.

    The first stage's scene is the source's own kind. Where stages edit by a source, those before them, which would have
    made one, are left out. A run that is edited brings its prompt as the source's, a file its format.
    UserError for a source that cannot be read, or that the recipe cannot edit.
    """
    if not config.source:
        return config, None
    path = Path(config.source).expanduser()
    run = Run.open(path) if path.is_dir() else None
    asset, frame = _of_run(run, config) if run else _of_file(path, config)
    config = _completed(config, origins, path, asset, run)
    if isinstance(asset, Mesh):
        asset = with_canvas(asset, config.export.texture)
    return config, confined(Original(asset, frame), config.region, path)


def described(config: RunConfig, original: Original) -> dict[str, Any]:
    """What the manifest says of the source."""
    path = Path(config.source).expanduser().resolve()
    file = path / "manifest.json" if path.is_dir() else path
    with open(file, "rb") as stream:
        digest = file_digest(stream, "sha256").hexdigest()
    kind = "mesh" if isinstance(original.asset, Mesh) else "splats"
    place = {"center": original.frame.center.tolist(), "size": float(original.frame.size)}
    place |= {"axes": original.frame.axes.tolist()}
    free = {} if original.free is None else {"free": round(float(original.free.mean()), 6)}
    return {"path": str(path), "sha256": digest, "kind": kind, "frame": place, **free}


def _of_file(path: Path, config: RunConfig) -> tuple[Mesh | Splats, Frame]:
    try:
        axes = standing(config.up, config.front or ("-y" if config.up == "z" else "z"))
    except ValueError as error:
        raise UserError(f"front: {error}; give another, such as --front=-y") from error
    asset = load_asset(path)
    return asset, Frame.around(asset, axes)


def _of_run(run: Run, config: RunConfig) -> tuple[Mesh | Splats, Frame]:
    """What a run made, where it made it; an edit, back at its own original's place."""
    if config.up != "y" or config.front not in (None, "z"):
        raise UserError("up: what a run made stands as it should; leave up and front")
    scene, stage = last_scene(run)
    if scene is None or stage < len(run.config.stages) - 1:
        raise UserError(f"{run.folder} has no finished scene yet; finish it with: dreamforge resume {run.folder}")
    original = kept(run)
    shown, frame = edited(scene, original), original.frame if original else UNMOVED
    asset = shown.to_splats() if hasattr(shown, "to_splats") else textured_mesh(shown, run.config.export)[0]
    return frame.leave(asset), frame


def _completed(
    config: RunConfig, origins: dict[str, str], path: Path, asset: Mesh | Splats, run: Run | None
) -> RunConfig:
    stages = [replace(stage) for stage in config.stages]
    edits = [index for index, stage in enumerate(stages) if takes(stage, "source")]
    stages = stages[edits[0] if edits else 0 :]
    stages[0].scene = _scene_for(asset, stages[0].scene, path)
    for index, stage in enumerate(stages):
        if stage.particles > 1 or (index and stage.scene is not None):
            raise UserError("source: an edit is of one scene, from its first stage to its last; choose another --recipe")
    source_prompt = config.source_prompt
    if edits and origins.get("source_prompt") in recipes():
        source_prompt = run.config.prompt if run else ""  # what a shipped recipe says there is an example
    if edits and not source_prompt.strip():
        raise UserError('no source prompt; say what the source shows now, such as --source-prompt "a gray car"')
    if config.region.needed and not (config.region.box or config.region.material or config.region.painted):
        raise UserError("no part to edit; give --box, --material or --painted")
    export = config.export if "export.formats" in origins else replace(config.export, formats=_formats(path, asset, run))
    prompt = config.prompt if config.prompt or run is None else run.config.prompt
    return replace(config, prompt=prompt, source_prompt=source_prompt, stages=stages, export=export)


def _scene_for(asset: Mesh | Splats, wanted: Component | None, path: Path) -> Component:
    name = "mesh" if isinstance(asset, Mesh) else "gaussians"
    if wanted is not None and wanted.name != name:
        holds = "a mesh" if name == "mesh" else "splats"
        raise UserError(f"source: this recipe edits scenes of kind '{wanted.name}', and {path} holds {holds}; try --recipe dds")
    defaults = {key: default for key, (_, default) in options_of("scenes", table("scenes")[name]).items()}
    options = defaults if wanted is None else dict(wanted.options)
    if name == "gaussians":
        return Component(name, options | {"sh_degree": asset.degree, "densify_until": 0.0})
    if options["appearance"] != "texture" or options["shading"] != "unlit":
        raise UserError("source: an edit paints the colours of a mesh; leave appearance=texture and shading=unlit")
    return Component(name, options)


def _formats(path: Path, asset: Mesh | Splats, run: Run | None) -> list[str]:
    """Those that the source has."""
    if run is not None:
        return run.config.export.formats
    ending = path.suffix.lstrip(".").lower()
    return ["splats.ply" if ending == "ply" and isinstance(asset, Splats) else ending]
