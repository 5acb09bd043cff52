"""A page that shows a run: the asset to turn around, the turntable, the check against the scene, how it came about.

One file, report.html, in the run folder beside the pictures it shows; it needs no network and no server.
"""

from __future__ import annotations

import base64
import json
import os
import re
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from dreamforge.contracts import Mesh, Splats
from dreamforge.export import Exported
from dreamforge.export.clean import with_normals
from dreamforge.export.splats import constant_colors, covariances
from dreamforge.pictures import encoded
from dreamforge.runs import write_atomic

STYLE = """
:root { color-scheme: light dark; --paper: #fafaf8; --card: #fff; --ink: #1c1d20; --soft: #6d7078; --line: #e4e4e0; --mark: #c2571a }
@media (prefers-color-scheme: dark) {
  :root { --paper: #141518; --card: #1d1f24; --ink: #ececea; --soft: #9a9da6; --line: #2c2f36; --mark: #f08c4a } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
main { max-width: 1120px; margin: 0 auto; padding: 48px 24px 80px }
h1 { font-size: clamp(1.7rem, 4vw, 2.6rem); line-height: 1.15; letter-spacing: -.02em; margin: 0 0 12px }
h2 { font-size: 1.05rem; margin: 48px 0 14px }
p, dl { margin: 0; color: var(--soft) }
a { color: var(--mark); text-decoration: none } a:hover { text-decoration: underline }
.brand { color: var(--mark); font-weight: 600; letter-spacing: .04em; margin-bottom: 8px }
.facts { display: flex; flex-wrap: wrap; gap: 4px 26px }
.facts div { display: flex; gap: 8px } .facts dd { margin: 0; color: var(--ink) }
.pair { display: grid; gap: 20px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); margin-top: 28px }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; overflow: hidden; margin: 0 }
.card canvas, .card video, .card > img { display: block; width: 100%; border: 0 }
.hero canvas, .hero video { aspect-ratio: 1; object-fit: cover }
canvas { cursor: grab; touch-action: none; outline-offset: -2px } canvas:active { cursor: grabbing }
.hero figure { position: relative } nav { position: absolute; top: 12px; left: 12px; display: flex; gap: 6px }
button { font: inherit; font-size: .82rem; color: var(--soft); background: var(--card); border: 1px solid var(--line);
  border-radius: 999px; padding: 3px 12px; cursor: pointer } button[aria-pressed=true] { color: var(--mark); border-color: var(--mark) }
figcaption { padding: 10px 14px; color: var(--soft); font-size: .88rem }
.views { display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)) }
.views div { display: flex } .views img { width: 50%; display: block }
.strip { display: flex; gap: 14px; overflow-x: auto; padding-bottom: 8px } .strip .card { flex: 0 0 min(80%, 420px) }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 16px; overflow-x: auto; font-size: .85rem }
summary { cursor: pointer; font-weight: 600; margin-top: 48px }
.check summary { font-weight: 400; color: var(--soft); margin: 10px 0 } .check strong { color: var(--ink); margin-right: 8px }
"""

NAMES = {"mesh": "Mesh", "surface": "Surface", "splats": "Splats"}


def write_report(folder: Path, prompt: str, exported: Exported) -> None:
    """Write report.html into a run folder that has its manifest, configuration, previews and turntable."""
    manifest = folder / "manifest.json"
    facts = json.loads(manifest.read_text()) if manifest.is_file() else {}
    sections = [
        f"<p class=brand>DreamForge</p><h1>{escape(prompt)}</h1>{_facts(folder, facts, exported)}",
        f"<div class='pair hero'>{_viewer(exported, prompt)}{_video(folder, 'turntable.mp4', 'The scene it was made from')}</div>",
        _before_and_after(folder),
        _verification(exported),
        _history(folder),
        _configuration(folder),
    ]
    page = (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>{escape(prompt)} · DreamForge</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(sections)}</main></body></html>"
    )
    write_atomic(folder / "report.html", page.encode())


def _facts(folder: Path, facts: dict[str, Any], exported: Exported) -> str:
    others = [path for name in facts.get("assets", []) if (path := folder / "assets" / name).is_file()]
    links = " · ".join(
        f"<a href='{escape(os.path.relpath(path, folder))}' download>{escape(path.name)}</a> {path.stat().st_size / 1e6:.1f} MB"
        for path in dict.fromkeys([*exported.paths, *others])
    )
    rows = {"files": links}
    if exported.mesh is not None:
        rows |= {"faces": f"{len(exported.mesh.faces):,}", "vertices": f"{len(exported.mesh.vertices):,}"}
    if exported.splats is not None:
        rows["splats"] = f"{len(exported.splats.means):,}"
    if "source" in facts:
        rows["made from"] = escape(Path(facts["source"]["path"]).name)
    if "seconds" in facts:
        rows["time"] = f"{facts['seconds']:.0f} s"
    if "created" in facts:
        rows["made"] = escape(str(facts["created"]).replace("T", " ").replace("Z", " UTC"))
    return "<dl class=facts>" + "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in rows.items()) + "</dl>"


def _viewer(exported: Exported, prompt: str) -> str:
    """The 3D view (viewer.js) with its data in the page: it works offline, and so it does when the page is sent on."""
    mesh, splats = exported.mesh, exported.splats
    shown = [*(("mesh", "surface") if mesh is not None else ()), *(("splats",) if splats is not None else ())]
    if not shown:
        return ""
    buttons = "".join(f"<button value={name} aria-pressed=false>{NAMES[name]}</button>" for name in shown)
    data = {"mesh": mesh and _mesh_data(mesh), "splats": splats and _splat_data(splats)}
    script = (Path(__file__).parent / "viewer.js").read_text()
    return (
        f"<figure class=card id=asset><canvas tabindex=0 aria-label='{escape(prompt, quote=True)}, to turn around'></canvas>"
        f"<nav>{buttons}</nav><figcaption>Drag or use the arrow keys to turn it, scroll to come closer</figcaption></figure>"
        f"<script type=application/json id=data>{json.dumps(data)}</script><script type=module>{script}</script>"
    )


def _mesh_data(mesh: Mesh) -> dict[str, str]:
    """What viewer.js takes: arrays in base64, the texture as a picture."""
    data = {"positions": _base64(mesh.vertices, "<f4"), "faces": _base64(mesh.faces, "<u4")}
    data["normals"] = _base64(with_normals(mesh).normals if mesh.normals is None else mesh.normals, "<f4")
    if mesh.uv is not None and mesh.texture is not None:
        data["uv"] = _base64(mesh.uv, "<f4")
        data["texture"] = "data:image/jpeg;base64," + base64.b64encode(encoded(mesh.texture, "jpeg")).decode()
    elif mesh.colors is not None:
        data["colors"] = _base64(np.clip(mesh.colors * 255 + 0.5, 0, 255), "u1")
    return data


def _splat_data(splats: Splats) -> dict[str, Any]:
    """What viewer.js takes, 12 numbers each: mean, opacity, upper half of the covariance, and the bytes of the colour
    that does not depend on the view as one number, which a float32 holds exactly."""
    upper = covariances(splats)[:, *np.triu_indices(3)]
    rgb = constant_colors(splats).astype(np.uint32) @ np.uint32([65536, 256, 1])
    columns = (splats.means, splats.opacities[:, None], upper, rgb[:, None], np.zeros((len(rgb), 1)))
    return {"count": len(rgb), "data": _base64(np.concatenate(columns, axis=1), "<f4")}


def _base64(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode()


def _video(folder: Path, name: str, caption: str) -> str:
    if not (folder / name).is_file():
        return ""
    return (
        f"<figure class=card><video src='{name}' autoplay loop muted playsinline controls></video>"
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _before_and_after(folder: Path) -> str:
    card = _video(folder, "before-after.mp4", "The source on the left, as the edit found it; on the right what became of it")
    return card and f"<h2>Before and after</h2>{card}"


def _verification(exported: Exported) -> str:
    """Each file beside the scene; the first one's pictures are open."""
    checks = []
    for path, check in zip(exported.paths, exported.checks, strict=True):
        cards = "".join(
            f"<figure class=card><div>{_image(scene)}{_image(asset)}</div>"
            f"<figcaption>{psnr:.1f} dB · IoU {iou:.3f}</figcaption></figure>"
            for scene, asset, psnr, iou in zip(check.scene, check.asset, check.psnr, check.iou, strict=True)
        )
        about = f"<strong>{escape(path.name)}</strong> {escape(check.summary())}"
        opened = "" if checks else " open"
        checks.append(f"<details class=check{opened}><summary>{about}</summary><div class=views>{cards}</div></details>")
    return (
        "<h2>Scene and asset side by side</h2><p>Left the scene, right the file as read back from the disk.</p>"
        + "".join(checks)
    )


def _history(folder: Path) -> str:
    previews = sorted((folder / "preview").glob("*.png"))
    if not previews:
        return ""
    cards = "".join(
        f"<figure class=card><img loading=lazy alt='' src='preview/{escape(path.name)}'>"
        f"<figcaption>{escape(_when(path.stem))}</figcaption></figure>"
        for path in previews
    )
    return f"<h2>How it came about</h2><div class=strip>{cards}</div>"


def _when(name: str) -> str:
    """"stage0-step000050" in words."""
    found = re.fullmatch(r"stage(\d+)-step(\d+)", name)
    return f"stage {int(found[1]) + 1}, step {int(found[2])}" if found else name


def _configuration(folder: Path) -> str:
    path = folder / "config.yaml"
    if not path.is_file():
        return ""
    return f"<details><summary>Configuration</summary><pre>{escape(path.read_text())}</pre></details>"


def _image(picture: Tensor) -> str:
    return f"<img alt='' src='data:image/png;base64,{base64.b64encode(encoded(picture)).decode()}'>"
