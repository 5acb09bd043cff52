"""What issue 5 asks of the files: a method is short, and no two tell the same six lines."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import dreamforge.objectives

FILES = sorted(Path(dreamforge.objectives.__file__).parent.glob("*.py"))
SHARED = 6


def told(file: Path) -> list[str]:
    """The lines that say something: no blank ones and no imports."""
    lines = [line.strip() for line in file.read_text().splitlines()]
    return [line for line in lines if line and not line.startswith(("from ", "import "))]


def test_a_method_is_a_short_file_with_its_equation_and_source() -> None:
    from dreamforge.objectives import OBJECTIVES

    for file in FILES:
        assert len(file.read_text().splitlines()) <= 150, file.name
    for name, method in OBJECTIVES.items():
        about = method.function.__doc__ or ""
        assert "arXiv" in about, name
        assert "valuation" in about or "Cost" in about or "As `" in about, name


def test_no_two_files_share_six_lines_in_a_row() -> None:
    found = defaultdict(set)
    for file in FILES:
        lines = told(file)
        for start in range(len(lines) - SHARED + 1):
            found["\n".join(lines[start : start + SHARED])].add(file.name)
    twice = {text: names for text, names in found.items() if len(names) > 1}
    assert not twice, twice
