"""What every registered component owes, whatever its kind."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from dianji.registry import REGISTRY, arguments_of, from_record, key_of, record_of


class ComponentContract:
    """Set ``component``, and ``arguments`` where the defaults will not do or another setting is to be tested."""

    kind: ClassVar[str]
    component: ClassVar[type[Any]]
    arguments: ClassVar[Mapping[str, Any]] = {}

    def make(self) -> Any:
        """A fresh component, as the contract's tests use it."""
        return self.component(**self.arguments)

    def test_is_found_by_its_name(self) -> None:
        key = key_of(self.make())
        assert key.kind == self.kind
        assert REGISTRY.get(self.kind, str(key)) is self.component

    def test_is_a_frozen_value(self) -> None:
        assert dataclasses.is_dataclass(self.component)
        assert self.component.__dataclass_params__.frozen  # type: ignore[attr-defined]  # unknown to typeshed
        assert self.make() == self.make()

    def test_its_record_makes_it_again(self) -> None:
        record = json.loads(json.dumps(record_of(self.make())))
        assert from_record(self.kind, record) == self.make()
        assert set(record["arguments"]) == set(arguments_of(self.component)), "the record writes every default out"

    def test_says_what_it_is(self) -> None:
        assert self.component.__doc__
        assert not self.component.__doc__.startswith(f"{self.component.__name__}("), "write a docstring"
