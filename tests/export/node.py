"""Programs of the JavaScript world that read what we write; tests that need one are skipped where it is absent."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

MODULES = Path(os.environ.get("DREAMFORGE_NODE_MODULES", "none"))  # a node_modules folder


def node(program: str, package: str, *arguments: object) -> str:
    """What an ES module prints. `PACKAGE` in it stands for the place of an npm package."""
    binary, place = shutil.which("node"), MODULES / package
    if binary is None or not place.is_dir():
        pytest.skip(f"needs node, and DREAMFORGE_NODE_MODULES naming a folder with the npm package {package}")
    source = program.replace("PACKAGE", str(place.resolve()))
    command = [binary, "--input-type=module", "-e", source, "--", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def validate(path: Path) -> dict[str, Any]:
    """The issues that Khronos' validator finds in a .glb or .gltf with what it names beside it."""
    program = """
        import validator from "PACKAGE/index.js"; import fs from "fs"; import path from "path";
        const file = process.argv[1], beside = uri => path.join(path.dirname(file), decodeURIComponent(uri));
        const externalResourceFunction = async uri => new Uint8Array(fs.readFileSync(beside(uri)));
        const report = await validator.validateBytes(new Uint8Array(fs.readFileSync(file)), {externalResourceFunction});
        console.log(JSON.stringify(report.issues));
    """
    return json.loads(node(program, "gltf-validator", path))


def splat_transform(source: Path, target: Path) -> None:
    """Convert a file of splats with PlayCanvas' converter, which also reads .spz through Niantic's own code."""
    program = """
        import {spawnSync} from "child_process";
        const done = spawnSync(process.execPath, ["PACKAGE/bin/cli.mjs", "-q", "-w", ...process.argv.slice(1)]);
        if (done.status) throw new Error(done.stderr);
    """
    node(program, "@playcanvas/splat-transform", source, target)


def spz_js(source: Path, target: Path) -> None:
    """Convert between .ply and .spz with spz-js, which leaves the axes as they are."""
    program = """
        import {loadPly, loadSpz, serializePly, serializeSpz} from "PACKAGE/dist/index.js";
        import fs from "fs"; import {Readable} from "stream";
        const [source, target] = process.argv.slice(1);
        const splats = source.endsWith(".spz") ? await loadSpz(fs.readFileSync(source))
            : await loadPly(Readable.toWeb(fs.createReadStream(source)));
        fs.writeFileSync(target, Buffer.from(await (target.endsWith(".spz") ? serializeSpz : serializePly)(splats)));
    """
    node(program, "spz-js", source, target)
