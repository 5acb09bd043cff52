"""A page that shows a run: the asset to turn around, the turntable, the check against the scene, how it came about.

One file, report.html, in the run folder beside the pictures it shows; it needs no network and no server.
"""

from __future__ import annotations

import base64
import json
import os
from html import escape
from pathlib import Path
from typing import Any

import trimesh
from PIL import Image
from torch import Tensor
from trimesh.viewer import scene_to_html

from dreamforge.cameras import orbit
from dreamforge.contracts import Mesh
from dreamforge.export import Exported
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
.card iframe, .card video, .card > img { display: block; width: 100%; border: 0 }
.hero iframe, .hero video { aspect-ratio: 1; object-fit: cover }
figcaption { padding: 10px 14px; color: var(--soft); font-size: .88rem }
.views { display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)) }
.views div { display: flex } .views img { width: 50%; display: block }
.strip { display: flex; gap: 14px; overflow-x: auto; padding-bottom: 8px } .strip .card { flex: 0 0 min(80%, 420px) }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 16px; overflow-x: auto; font-size: .85rem }
summary { cursor: pointer; font-weight: 600; margin-top: 48px }
"""

# What the viewer that trimesh embeds leaves to do: colours as they are, in sRGB, on the page's own card colour.
VIEWER_SETUP = """<script>
renderer.outputEncoding = THREE.sRGBEncoding;
scene.background = new THREE.Color(matchMedia("(prefers-color-scheme: dark)").matches ? 0x1d1f24 : 0xffffff);
const frame = () => {
  requestAnimationFrame(frame);
  if (!camera) return;  // still loading
  scene.traverse(part => {
    const lit = part.isMesh && !part.material.isMeshBasicMaterial && part.material;
    if (lit) part.material = new THREE.MeshBasicMaterial({ map: lit.map, vertexColors: lit.vertexColors });
  });
  render();
};
frame();
</script></body>"""


def write_report(folder: Path, prompt: str, exported: Exported) -> None:
    """Write report.html into a run folder that has its manifest, configuration, previews and turntable."""
    manifest = folder / "manifest.json"
    facts = json.loads(manifest.read_text()) if manifest.is_file() else {}
    sections = [
        f"<p class=brand>DreamForge</p><h1>{escape(prompt)}</h1>{_facts(folder, facts, exported)}",
        f"<div class='pair hero'>{_viewer(exported.mesh, prompt)}{_turntable(folder)}</div>",
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
    links = " ".join(
        f"<a href='{escape(os.path.relpath(path, folder))}' download>{escape(path.name)}</a> {path.stat().st_size / 1e6:.1f} MB"
        for path in exported.paths
    )
    rows = {"files": links, "faces": f"{len(exported.mesh.faces):,}", "vertices": f"{len(exported.mesh.vertices):,}"}
    if "seconds" in facts:
        rows["time"] = f"{facts['seconds']:.0f} s"
    if "created" in facts:
        rows["made"] = escape(str(facts["created"]))
    return "<dl class=facts>" + "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in rows.items()) + "</dl>"


def viewer_html(mesh: Mesh) -> str:
    """A page with a mesh to turn around, seen a little from its left at first; trimesh brings the viewer."""
    texture = None if mesh.texture is None else Image.fromarray(mesh.texture)
    visual = trimesh.visual.TextureVisuals(mesh.uv, material=trimesh.visual.material.PBRMaterial(baseColorTexture=texture))
    shape = trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_normals=mesh.normals, visual=visual, process=False)
    if mesh.uv is None and mesh.colors is not None:
        shape.visual = trimesh.visual.ColorVisuals(shape, vertex_colors=mesh.colors)
    scene = trimesh.Scene(shape)
    scene.camera.fov = (35.0, 35.0)
    scene.camera_transform = orbit([25.0], 12.0, distance=3.4).c2w[0].double().numpy()
    return scene_to_html(scene).replace("</body>", VIEWER_SETUP)


def _viewer(mesh: Mesh, prompt: str) -> str:
    return (
        f"<figure class=card><iframe title='{escape(prompt, quote=True)}' srcdoc='{escape(viewer_html(mesh))}'></iframe>"
        "<figcaption>The asset: drag to turn, scroll to come closer</figcaption></figure>"
    )


def _turntable(folder: Path) -> str:
    if not (folder / "turntable.mp4").is_file():
        return ""
    return (
        "<figure class=card><video src='turntable.mp4' autoplay loop muted playsinline controls></video>"
        "<figcaption>The scene it was made from</figcaption></figure>"
    )


def _verification(exported: Exported) -> str:
    check = exported.verification
    cards = "".join(
        f"<figure class=card><div>{_image(scene)}{_image(asset)}</div>"
        f"<figcaption>{psnr:.1f} dB · IoU {iou:.3f}</figcaption></figure>"
        for scene, asset, psnr, iou in zip(check.scene, check.asset, check.psnr, check.iou, strict=True)
    )
    name = escape(exported.paths[0].name)
    return (
        f"<h2>Scene and asset side by side</h2><p>Left the scene, right {name} as read back from the disk. "
        f"{escape(check.summary())}.</p><br><div class=views>{cards}</div>"
    )


def _history(folder: Path) -> str:
    previews = sorted((folder / "preview").glob("*.png"))
    if not previews:
        return ""
    cards = "".join(
        f"<figure class=card><img loading=lazy alt='' src='preview/{escape(path.name)}'>"
        f"<figcaption>{escape(path.stem.replace('-', ', '))}</figcaption></figure>"
        for path in previews
    )
    return f"<h2>How it came about</h2><div class=strip>{cards}</div>"


def _configuration(folder: Path) -> str:
    path = folder / "config.yaml"
    if not path.is_file():
        return ""
    return f"<details><summary>Configuration</summary><pre>{escape(path.read_text())}</pre></details>"


def _image(picture: Tensor) -> str:
    return f"<img alt='' src='data:image/png;base64,{base64.b64encode(encoded(picture)).decode()}'>"
