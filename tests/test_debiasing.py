"""Words that speak against a view."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from dreamforge import debiasing
from dreamforge.cameras import orbit
from dreamforge.cli import main
from dreamforge.debiasing import VIEWS, debiased, struck
from dreamforge.errors import UserError
from dreamforge.prompts import view_prompts

transformers = pytest.importorskip("transformers")


def probabilities(prompt: str) -> Tensor:
    """A language that takes what smiles to be seen from the front, a little less so beside "dog"."""
    return torch.tensor([0.7, 0.15, 0.05, 0.1]) if "smiling" in prompt else torch.full((4,), 0.25)


def test_a_word_that_speaks_against_a_view_is_struck_there_alone() -> None:
    """Catches a word struck where it speaks for a view, and the comparison the other way around."""
    said = struck("a smiling dog", probabilities)
    assert said == {"front": "a smiling dog", "side": "a dog", "back": "a dog", "overhead": "a dog"}
    assert struck("a dog", probabilities) == dict.fromkeys(VIEWS, "a dog")
    assert struck("smiling", probabilities)["back"] == "smiling"


def test_the_threshold_is_that_of_the_information() -> None:
    """p / ((p + p_without) / 2) = 0.95 at p = 0.19 / 0.21 p_without."""
    for factor, kept in ((0.91, True), (0.90, False)):
        def language(prompt: str, factor: float = factor) -> Tensor:
            return torch.tensor([0.25, 0.25, 0.25 * factor if "odd" in prompt else 0.25, 0.25])

        assert (struck("odd duck", language)["back"] == "odd duck") == kept


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *VIEWS, *"this image is depicting a view of smiling dog".split()]
    (root / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizer(str(root / "vocab.txt")).save_pretrained(root)
    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, initializer_range=1.0
    )
    transformers.BertForMaskedLM(config).save_pretrained(root)
    return root


def test_a_language_model_is_asked_for_the_masked_view(model: Path) -> None:
    """Against its own forward on the sentence; and the wording reaches the prompts of the views."""
    tokenizer, network = debiasing._loaded(str(model))
    tokens = tokenizer("This image is depicting a [MASK] view of a dog", return_tensors="pt")
    assert tokenizer.convert_ids_to_tokens(tokens.input_ids[0])[6] == "[MASK]"
    with torch.no_grad():
        logits = network(**tokens).logits[0, 6]
    expected = logits[[tokenizer.vocab[view] for view in VIEWS]].softmax(0)
    assert torch.allclose(debiasing._view_probabilities((tokenizer, network), "a dog"), expected)
    said = debiased("a smiling dog", str(model))
    assert set(said.values()) != {"a smiling dog"}
    cameras = orbit([0.0, 90.0, 180.0, 0.0], [0.0, 0.0, 0.0, 80.0])
    assert view_prompts("a smiling dog", cameras, str(model)) == [f"{said[view]}, {view} view" for view in VIEWS]


def test_a_model_that_cannot_say_it_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="debias: cannot load the language model ./nowhere"):
        debiased("a dog", "./nowhere")
    assert main(["run", "--prompt", "a dog", "--out", "run", "stages.0.debias=./nowhere"]) == 2
    said = capsys.readouterr().err
    assert "cannot load the language model" in said and said.count("\n") == 1 and not (tmp_path / "run").exists()
