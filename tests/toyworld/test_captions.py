from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamforge.toyworld import Description, UnknownWords, caption, draw, parse, vocabulary
from dreamforge.toyworld.descriptions import partners, wearable
from dreamforge.toyworld.words import SYNONYMS, lexicon

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


def test_captions_of_everything_drawn_parse_back_in_many_phrasings() -> None:
    rng = np.random.default_rng(1)
    for _ in range(4000):
        said = replace(draw(rng), view=rng.choice((None, *WORDS["view"])))
        text = caption(said, rng)
        assert parse(text) == said, text
    said = parse("a gray wooden cat wearing a scarf on a blue chair, front view")
    assert len({caption(said, rng) for _ in range(300)}) > 130


def test_every_word_is_said_and_every_synonym_means_a_word() -> None:
    for part, synonyms in SYNONYMS.items():
        assert set(synonyms.values()) <= set(WORDS["finish" if part == "material" else part])
        assert all(lexicon()[word] == (part, name) for word, name in synonyms.items())
    rng = np.random.default_rng(2)
    texts = " ".join(caption(replace(draw(rng), view=rng.choice(WORDS["view"])), rng) for _ in range(6000))
    assert all(name in texts for names in WORDS.values() for name in names)
    assert "puppy" in texts and "automobile" in texts and "made of wood" in texts and "beside" in texts


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
        ("a cat on a blue chair", Description("cat", relation="on", other=Description("chair", "blue"))),
        ("a golden automobile", Description("car", finish="golden")),
        ("a little wooden duck", Description("duck", finish="wooden", size="small")),
        ("a chair made of stone next to a huge cat", Description(
            "chair", finish="stone", relation="next to", other=Description("cat", size="big"))),
        ("a car, red", Description("car", "red")),
        ("a top hat on a small cat", Description("cat", None, (("top hat", None),), size="small")),
        ("a corgi with a top hat on its head", Description("corgi", None, (("top hat", None),))),
        ("a giant bed", Description("bed", size="big")),
        ("a bear wearing a golden crown", Description("bear", None, (("crown", "yellow"),))),
        ("a cat wearing a scarf beneath a striped umbrella seen from behind", Description(
            "cat", None, (("scarf", None),), "back",
            relation="under", other=Description("umbrella", finish="striped"))),
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
        ("a cat with a car", ["two things", "next to"]),
        ("a cat on a car on a bed", ["three things"]),
        ("a cat on a ghost", ["nothing can be on a ghost", "chair"]),
        ("a cat under a cake", ["nothing can be under a cake", "table"]),
        ("a cat behind", ["nothing after 'behind'"]),
        ("under a table", ["nothing before 'under'"]),
        ("a red golden car", ["golden is a colour already", "'a golden car'"]),
        ("a cat wearing a spotted scarf", ["scarf cannot be spotted"]),
        ("a cat next to a house wearing a scarf", ["a house has no place"]),
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
    least = {"noun": 60, "color": 14, "finish": 8, "size": 2, "accessory": 10, "relation": 5, "view": 4}
    assert all(len(WORDS[part]) >= count for part, count in least.items())
    assert len(partners("on")) >= 15 and len(partners("under")) >= 8


@given(st.lists(st.sampled_from(sorted(lexicon())), min_size=1, max_size=12), st.integers(0, 99))
@settings(max_examples=600, deadline=None)
def test_any_words_in_any_order_are_understood_or_refused_in_one_line(phrases: list[str], seed: int) -> None:
    try:
        said = parse(" ".join(phrases))
    except UnknownWords as error:
        assert "\n" not in str(error) and len(str(error)) < 400
        return
    assert parse(caption(said, np.random.default_rng(seed))) == said
