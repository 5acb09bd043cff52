"""Where things are kept that can be made again."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def cache_folder(name: str) -> Path:
    """`name` in the project's folder of the user's cache; it need not exist, nor be writable."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dreamforge" / name


def keep(path: Path, content: bytes) -> None:
    """Write a file of a cache, whole or not at all. In a read-only home nothing is kept: slow, and right."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(content)
        partial.replace(path)
