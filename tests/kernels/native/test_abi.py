"""C and Python write down the same structs, constants and arguments; a library that differs is not bound."""

from __future__ import annotations

import ctypes
import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dianji.kernels.native import abi, build, structs
from dianji.kernels.native.abi import Mismatch, Pointer, Struct, bind

SOURCE = "\n".join(path.read_text() for path in build.SOURCES)
NO_COMMENTS = re.sub(r"/\*.*?\*/", "", SOURCE, flags=re.DOTALL)
STRUCTS: dict[str, list[str]] = {
    "Attention": [name for name, *_ in structs.AttentionStruct._fields_],
    "Map": [name for name, *_ in structs.MapStruct._fields_],
    "Windows": [name for name, *_ in structs.WindowsStruct._fields_],
    "Linear": [name for name, *_ in structs.LinearStruct._fields_],
    "Norm": [name for name, *_ in structs.NormStruct._fields_],
    "Layer": [name for name, *_ in structs.LayerStruct._fields_],
    "Weight": list(structs.WEIGHT.names or ()),
}
PREFIXES = {"int": abi.INT, "long": abi.LONG, "float": abi.FLOAT, "double": abi.DOUBLE, "uint64_t": abi.SEED}
POINTERS = {
    "T": None,
    "float": torch.float32,
    "uint16_t": torch.bfloat16,
    "double": torch.float64,
    "int64_t": torch.int64,
    "uint8_t": torch.uint8,
}


@pytest.mark.parametrize("name", STRUCTS)
def test_structs_have_the_same_members_in_the_same_order(name: str) -> None:
    body = re.search(rf"typedef struct \{{([^}}]*)\}} {name};", NO_COMMENTS)
    assert body is not None
    members = [re.search(r"(\w+)\s*$", part) for line in body[1].split(";") for part in line.split(",") if part.strip()]
    assert [found[1] for found in members if found] == STRUCTS[name]


def arguments_in_c(name: str) -> list[str]:
    found = re.search(rf"^[\w ]+?\b(?:NAME\({name}\)|{name})\(([^)]*)\) \{{", NO_COMMENTS, flags=re.MULTILINE)
    assert found is not None, name
    return [] if found[1] == "void" else [" ".join(part.split()) for part in found[1].split(",")]


@pytest.mark.parametrize("name", abi.OF_BOTH | abi.OF_ONE | abi.OF_TILES)
def test_functions_take_the_same_arguments(name: str) -> None:
    expected = (abi.OF_BOTH | abi.OF_ONE | abi.OF_TILES)[name]
    found = arguments_in_c(name)
    assert len(found) == len(expected)
    for text, argument in zip(found, expected, strict=True):
        kind = text.removeprefix("const ").split()[0]
        if isinstance(argument, Struct):
            assert argument.kind.__name__ == f"{kind}Struct", text
            assert "*" in text
        elif isinstance(argument, Pointer):
            assert "*" in text
            assert POINTERS[kind] == argument.dtype, text
        elif argument is abi.ADDRESS:
            assert "*" in text
        else:
            assert "*" not in text
            assert PREFIXES[kind] is argument, text


def test_facts_are_in_the_order_of_c() -> None:
    body = re.search(r"facts\[\] = \{([^}]*)\}", NO_COMMENTS)
    assert body is not None
    found = [part.strip() for part in body[1].split(",") if part.strip()]
    known = [name.removeprefix("the ") for name in structs.FACTS]
    assert found == [re.sub(r"size of (\w+)", r"sizeof(\1)", name) for name in known]


@pytest.mark.kernels
def test_every_function_is_bound_with_its_types() -> None:
    functions = build.built().functions
    assert functions is not None
    typed = {f"{name}_{kind}" for name in abi.OF_BOTH for kind in abi.KINDS}
    assert typed | set(abi.OF_ONE) <= set(functions) <= typed | set(abi.OF_ONE) | set(abi.OF_TILES)
    for name, function in functions.items():
        call: Any = function.call
        assert len(call.argtypes) == len(function.arguments), name
    with pytest.raises(ctypes.ArgumentError):
        functions["widen"].call(0, 0, 1.5, 1)
    with pytest.raises(ctypes.ArgumentError):
        functions["attend_fp32"].call(None, ctypes.byref(structs.MapStruct()), None, None, None, 1)


class Fake(SimpleNamespace):
    """A library with such facts."""

    def __init__(self, facts: list[int]) -> None:
        super().__init__()

        def fact(number: int) -> int:
            return facts[number] if number < len(facts) else -1

        self.fact = fact


FACTS = list(structs.FACTS.values())


def bound(fake: Any) -> Any:
    return bind(fake)


def test_another_abi_is_refused() -> None:
    with pytest.raises(Mismatch, match=f"the ABI is 7 in the library, {structs.ABI} was expected"):
        bound(Fake([7, *FACTS[1:]]))


def test_a_struct_of_another_size_is_refused() -> None:
    with pytest.raises(Mismatch, match="the size of Attention is 8 in the library"):
        bound(Fake([FACTS[0], 8, *FACTS[2:]]))


def test_facts_that_are_not_expected_and_functions_that_are_missing_are_refused() -> None:
    with pytest.raises(Mismatch, match="facts that are not expected"):
        bound(Fake([*FACTS, 1]))
    with pytest.raises(Mismatch, match="lacks widen, add_wide"):
        bound(Fake(FACTS))
    with pytest.raises(Mismatch, match="says nothing of its structs"):
        bound(SimpleNamespace())
