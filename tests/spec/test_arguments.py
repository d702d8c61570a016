"""What is known of a component's arguments."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from dianji.spec.arguments import arguments, summary


@dataclass(frozen=True)
class Toy:
    """Turns knobs.

    More words.

    Args:
        knobs: how many there are,
            which must be said.
        shape (Literal): round or square.
    """

    knobs: int
    shape: Literal["round", "square"] = "round"
    rate: Annotated[float, Field(gt=0)] = 0.5  # per second
    names: tuple[str, ...] = ()
    note: str | None = Field(default=None, description="a remark")
    plain: str = "#not a comment"


def test_names_types_defaults_and_meanings():
    told = [(a.name, a.type, a.default, a.required, a.description) for a in arguments(Toy)]
    assert told == [
        ("knobs", "whole number", None, True, "how many there are, which must be said."),
        ("shape", "one of round, square", "round", False, "round or square."),
        ("rate", "number", 0.5, False, "per second"),
        ("names", "list of text", [], False, ""),
        ("note", "text or null", None, False, "a remark"),
        ("plain", "text", "#not a comment", False, ""),
    ]


def test_the_first_line_says_what_it_is():
    assert summary(Toy) == "Turns knobs."


def test_schemas_keep_their_bounds():
    assert arguments(Toy)[2].schema == {"default": 0.5, "exclusiveMinimum": 0, "type": "number"}
