import importlib
import pkgutil

import pytest

import tests.contracts
from dianji.registry import HOMES
from dianji.testing.completeness import CONTRACTS, untested


def test_every_kind_has_a_contract():
    assert set(CONTRACTS) == set(HOMES)


@pytest.mark.parametrize("kind", HOMES)
def test_every_component_has_a_contract_test(kind):
    for module in pkgutil.iter_modules(tests.contracts.__path__):
        importlib.import_module(f"tests.contracts.{module.name}")
    assert untested(kind) == set(), f"write a class for each in tests/contracts, see dianji.testing.{kind}"
