"""What stages say of data and of each other."""

import pytest

from dianji.errors import RecipeError
from dianji.spec.references import check_references, order, parent
from dianji.spec.sections import NewBase, Recipe


def recipe(base: str | None = "minilm", **starts: object) -> Recipe:
    stages = {name: {"task": "t", "data": "d", "from": start} for name, start in starts.items()}
    return Recipe.parse({"name": "x", "base": base, "data": {"d": {"path": "d.csv"}}, "stages": stages})


def test_parents_follow_from_then_the_stage_before_then_the_base():
    found = recipe(a=None, b=None, c="a", d={"new": "cnn"}, e="org/model")
    assert [parent(found, name) for name in "abce"] == ["minilm", "a", "a", "org/model"]
    assert isinstance(parent(found, "d"), NewBase)
    assert check_references(found) == []


def test_a_stage_may_start_from_a_later_one():
    found = recipe(a="c", b="minilm", c="minilm")
    assert check_references(found) == []
    assert order(found) == ["c", "a", "b"]


def test_order_keeps_the_recipe_where_it_can():
    assert order(recipe(a=None, b="minilm", c="a", d=None)) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("starts", "told"),
    [
        ({"a": "a"}, ["recipe: stages.a.from: the stage 'a' starts from itself. Name an earlier stage or a base."]),
        (
            {"a": "b", "b": "c", "c": "a"},
            [
                "recipe: stages.a.from: stages start from each other in a circle: a -> b -> c -> a. "
                "Give one of them another 'from'."
            ],
        ),
        (
            {"a": "b", "b": None, "c": None},
            [
                "recipe: stages.a.from: stages start from each other in a circle: "
                "a -> b (no 'from': the stage before) -> a. Give one of them another 'from'."
            ],
        ),
    ],
)
def test_circles_are_shown_once(starts: dict[str, str | None], told: list[str]):
    found = recipe(**starts)
    assert check_references(found) == told
    with pytest.raises(RecipeError, match=r"circle|itself"):
        order(found)


def test_nothing_to_start_from():
    found = recipe(base=None, a=None, b=None)
    assert len(check_references(found)) == 1
    assert "stages.a: nothing to start from. Give the recipe a base" in check_references(found)[0]
    with pytest.raises(RecipeError, match="nothing to start from"):
        parent(found, "a")


def test_unknown_data_and_data_without_a_path():
    found = Recipe.parse(
        "name: x\nbase: minilm\ndata:\n  tickets: {}\n  sql: {format: sql}\n"
        "stages:\n  a: {task: t, data: ticket}\n  b: {task: t, data: sql}",
        source="bank.yaml",
    )
    assert check_references(found) == [
        "bank.yaml, line 7: stages.a.data: there is no data section 'ticket'. "
        "Did you mean 'tickets'? Known: sql, tickets.",
        "bank.yaml, line 4: data.tickets: the key 'path' is missing. Name a file, a folder or a list of them.",
    ]
