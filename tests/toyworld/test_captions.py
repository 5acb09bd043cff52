import numpy as np
import pytest

from dreamforge.toyworld import Description, UnknownWords, caption, parse, vocabulary
from dreamforge.toyworld.captions import wearable

WORDS = vocabulary()


@pytest.mark.parametrize("noun", WORDS["noun"])
def test_captions_of_every_noun_parse_back(noun: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(6):
        worn = rng.permutation(wearable(noun))[: rng.integers(0, 3)]
        said = Description(
            noun,
            rng.choice((None, *WORDS["color"])),
            tuple((str(name), rng.choice((None, *WORDS["color"]))) for name in worn),
            rng.choice((None, *WORDS["view"])),
        )
        assert parse(caption(said, rng)) == said


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a corgi in a top hat", Description("corgi", None, (("top hat", None),))),
        ("A red car.", Description("car", "red")),
        ("a blue duck wearing a red scarf, front view", Description("duck", "blue", (("scarf", "red"),), "front")),
        ("a DSLR photo of a cute kitten", Description("cat")),
        ("a grey puppy with sunglasses and a yellow bowtie", Description(
            "corgi", "gray", (("sunglasses", None), ("bow tie", "yellow")))),
        ("an orange hot-air balloon, rear view", Description("hot air balloon", "orange", (), "back")),
        ("", Description(None)),
    ],
)  # fmt: skip
def test_parse(prompt: str, expected: Description) -> None:
    assert parse(prompt) == expected


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a quantum flibbertigibbet", ["'quantum'", "'flibbertigibbet'", "dreamforge list words"]),
        ("a blue corgy", ["'corgy'", "corgi"]),
        ("a red", ["no noun"]),
        ("a cat on a car", ["two things"]),
        ("a house wearing a scarf", ["no place", "top hat"]),
    ],
)
def test_what_cannot_be_pictured_is_one_clear_line(prompt: str, parts: list[str]) -> None:
    with pytest.raises(UnknownWords) as error:
        parse(prompt)
    message = str(error.value)
    assert "\n" not in message
    assert all(part in message for part in parts)


def test_the_vocabulary_is_rich() -> None:
    assert len(WORDS["noun"]) >= 28 and len(WORDS["color"]) >= 10 and len(WORDS["accessory"]) >= 4
