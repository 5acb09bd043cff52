"""The gallery says what the run folders hold, whatever stands in a prompt."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from dreamforge.sweep.folder import Sweep, failed
from dreamforge.sweep.gallery import write_gallery
from dreamforge.sweep.plan import Job
from tests.browser import FLAGS
from tests.sweep.conftest import JOBS

NASTY = Job("2-x", "splats", "</script><b>é", 7)


@pytest.fixture
def page(sweep: Sweep) -> str:
    sweep.jobs = [*JOBS, NASTY]
    run = sweep.run_folder(JOBS[0])
    run.mkdir()
    (run / "manifest.json").write_text(json.dumps({"state": "finished", "seconds": 12.4, "psnr": 33.1}))
    failed(sweep.folder, JOBS[1], "the scene is <empty>")
    return write_gallery(sweep).read_text()


def test_it_holds_every_run_with_its_state_and_figures(page: str) -> None:
    runs = json.loads(re.search(r"<script type=application/json id=runs>(.*?)</script>", page)[1])
    assert [(run["prompt"], run["state"]) for run in runs] == [
        ("a red car", "finished"), ("a yellow duck", "failed"), (NASTY.prompt, "waiting"),
    ]  # fmt: skip
    assert (runs[0]["psnr"], runs[1]["line"]) == (33.1, "the scene is <empty>")
    assert "1 finished, 1 failed, 1 waiting" in page


def test_it_filters_and_sorts_in_a_browser(page: str, sweep: Sweep) -> None:
    """Cards as they are first, then by prompt, then those whose state is failed."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs Chromium")
    script = """const seen = () => [...document.querySelectorAll("#cards b")].map(b => b.textContent).join("|");
    const said = [seen()], set = (id, value) => { at(id).value = value; at(id).oninput(); said.push(seen()); };
    set("order", "prompt"); set("state", "failed"); set("state", ""); set("words", "car RED");
    document.title = said.join(" / ") + " / " + at("count").textContent;"""
    path = sweep.folder / "scripted.html"
    path.write_text(page.replace("</body>", f"<script>{script}</script></body>"))
    command = [browser, *FLAGS, f"--user-data-dir={sweep.folder / 'profile'}", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    title = re.search(r"<title>(.*?)</title>", done.stdout)[1]
    nasty = "&lt;/script&gt;&lt;b&gt;é"
    car, duck = "a red car", "a yellow duck"
    assert title == f"{car}|{duck}|{nasty} / {nasty}|{car}|{duck} / {duck} / {nasty}|{car}|{duck} / {car} / 1 of 3"
