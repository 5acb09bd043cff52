"""`dreamforge view`: a live look at a file, or at a run while it goes on, in the browser at 127.0.0.1."""

from __future__ import annotations

import time
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from dreamforge.cameras import orbit
from dreamforge.config import ExportConfig
from dreamforge.contracts import Mesh, Scene, Splats
from dreamforge.errors import UserError
from dreamforge.export import gltf, load_asset, textured_mesh
from dreamforge.export.frame import Frame
from dreamforge.export.splats import constant_colors, covariances
from dreamforge.saving import last_scene
from dreamforge.runs import Run

if TYPE_CHECKING:
    import viser

HOST = "127.0.0.1"
ROUGH = ExportConfig(resolution=64, texture=512, faces=5000)  # of scenes that have to be made a mesh of to be looked at
LOOK_AGAIN = 1.0  # seconds between looks at a run's checkpoints


class Viewer:
    """A server on this machine alone, and what it shows."""

    def __init__(self, title: str, port: int) -> None:
        try:
            import viser
        except ImportError as error:
            raise UserError('the viewer needs the package viser: pip install "dreamforge3d[view]"') from error
        with redirect_stdout(StringIO()):  # its banner
            self.server: viser.ViserServer = viser.ViserServer(HOST, port, label=f"DreamForge: {title}", verbose=False)
        self.server.scene.set_up_direction("+y")
        self.server.gui.configure_theme(show_logo=False, show_share_button=False)  # sharing would leave this machine
        start = orbit([25.0], 12.0, distance=3.4).position[0].tolist()
        self.server.initial_camera.position, self.server.initial_camera.look_at = start, (0.0, 0.0, 0.0)
        self.facts = self.server.gui.add_markdown(f"**{title}**")
        self.title, self.splats = title, None
        self.size = self.server.gui.add_slider("size of splats", 0.1, 2.0, 0.05, 1.0, visible=False)
        self.faint = self.server.gui.add_slider("hide fainter than", 0.0, 0.95, 0.05, 0.0, visible=False)
        self.size.on_update(lambda _: self._show_splats())
        self.faint.on_update(lambda _: self._show_splats())

    @property
    def address(self) -> str:
        """Where to open it."""
        return f"http://{HOST}:{self.server.get_port()}"

    def show(self, asset: Mesh | Splats, state: str = "") -> None:
        """Put an asset in the place of the one before."""
        if isinstance(asset, Splats):
            self.splats = asset
            self._show_splats()
            count = f"{len(asset.means):,} splats"
        else:
            self.splats = None
            self.server.scene.add_glb("/asset", gltf.encode(asset, self.title))
            count = f"{len(asset.faces):,} faces"
        self.size.visible = self.faint.visible = self.splats is not None
        self.say(f"{count}{state}")

    def say(self, text: str) -> None:
        """A line beside the view."""
        self.facts.content = f"**{self.title}**\n\n{text}"

    def _show_splats(self) -> None:
        if self.splats is None:
            return
        kept = self.splats.opacities >= self.faint.value
        scaled = replace(self.splats, scales=self.splats.scales * self.size.value)
        self.server.scene.add_gaussian_splats(
            "/asset", self.splats.means[kept], covariances(scaled)[kept], constant_colors(scaled)[kept],
            self.splats.opacities[kept, None],
        )  # fmt: skip


def open_viewer(target: str, port: int = 8080) -> tuple[Viewer, Run | None]:
    """A viewer that shows a file, or the newest checkpoint of a run folder. UserError for what can be neither."""
    path = Path(target).expanduser()
    if path.is_dir():
        run = Run.open(path)
        viewer = Viewer(run.config.prompt, port)
        show_newest(viewer, run)
        return viewer, run
    asset = load_asset(path)
    viewer = Viewer(path.name, port)
    viewer.show(Frame.around(asset).enter(asset))  # what others make may be of any size, and anywhere
    return viewer, None


def watch(viewer: Viewer, run: Run) -> None:
    """Show every new checkpoint of a run until it is finished."""
    shown = run.newest_checkpoint()
    while run.manifest().get("state") != "finished":
        time.sleep(LOOK_AGAIN)
        newest = run.newest_checkpoint()
        if newest != shown:
            show_newest(viewer, run)
            shown = newest


def show_newest(viewer: Viewer, run: Run) -> None:
    """Show the scene of a run's newest checkpoint, if there is one."""
    scene, _ = last_scene(run)
    if scene is None:
        viewer.say("no checkpoint yet: the first one shows here as soon as it is written")
        return
    try:
        viewer.show(_asset(scene), f", {run.newest_checkpoint()}")
    except UserError as error:  # a scene that is still all haze has no surface
        viewer.say(str(error))


def _asset(scene: Scene) -> Mesh | Splats:
    return scene.to_splats() if hasattr(scene, "to_splats") else textured_mesh(scene, ROUGH)[0]
