"""A sweep as one page: every asset turning under the pointer, to be filtered and sorted. No server, no network."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from dreamforge.report import STYLE
from dreamforge.runs import write_atomic
from dreamforge.sweep.folder import Sweep, summary
from dreamforge.sweep.plan import Job


def write_gallery(sweep: Sweep) -> Path:
    """Write report.html into the sweep's folder, from what its run folders hold now."""
    runs = [_run(sweep, job) for job in sweep.jobs]
    data = json.dumps(runs).replace("<", "\\u003c")  # a prompt cannot end the script it stands in
    title = escape(sweep.folder.resolve().name)
    page = (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>{title} · DreamForge</title><style>{STYLE}</style></head><body><main>"
        f"<p class=brand>DreamForge</p><h1>{title}</h1><p>{summary([run['state'] for run in runs])}</p>"
        f"<script type=application/json id=runs>{data}</script>"
        f"{(Path(__file__).parent / 'gallery.html').read_text()}</main></body></html>"
    )
    path = sweep.folder / "report.html"
    write_atomic(path, page.encode())
    return path


def _run(sweep: Sweep, job: Job) -> dict[str, Any]:
    manifest = sweep.manifest(job)
    facts = {key: manifest[key] for key in ("seconds", "psnr") if key in manifest}
    own = {"name": job.name, "prompt": job.prompt, "recipe": job.recipe, "seed": job.seed, "state": sweep.state(job)}
    return {**own, **facts, "line": sweep.failure(job)}
