"""docs/proofs.md names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_proof_is_a_test_and_every_tagged_test_of_an_objective_is_listed() -> None:
    listed = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "proofs.md").read_text()))
    written = {
        name for file in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    assert listed <= written, listed - written
    assert len(listed) > 80
