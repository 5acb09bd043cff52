"""Headless Chromium for tests of what we give to browsers; they are skipped where it is absent."""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FLAGS = [
    "--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--dump-dom",
    "--allow-file-access-from-files", "--virtual-time-budget=20000", "--enable-logging=stderr",
]  # fmt: skip
SNAP = """
const snap = (canvas, name) => { const image = new Image(); image.alt = name; image.src = canvas.toDataURL(); document.body.append(image); };
"""


def pictures(page: Path, script: str, size: tuple[int, int] = (560, 700)) -> dict[str, np.ndarray]:
    """What a module script at the end of a page hands to `snap(canvas, name)`: RGBA `[H,W,4]` in [0,1] by name."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs Chromium")
    copy = page.with_name("with-script.html")
    copy.write_text(page.read_text().replace("</body>", f"<script type=module>{SNAP}{script}</script></body>"))
    command = [browser, *FLAGS, f"--window-size={size[0]},{size[1]}", f"--user-data-dir={page.parent / 'profile'}", copy.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert "Uncaught" not in done.stderr, done.stderr
    found = re.findall(r'<img alt="(\w+)" src="data:image/png;base64,([^"]+)"', done.stdout)
    return {name: np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")) / 255 for name, data in found}
