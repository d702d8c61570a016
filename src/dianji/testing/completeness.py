"""Which components have no contract test."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping

from dianji.registry import REGISTRY
from dianji.testing.adaptation import AdaptationContract
from dianji.testing.base import BaseContract
from dianji.testing.baseline import BaselineContract
from dianji.testing.column import ColumnKindContract
from dianji.testing.component import ComponentContract
from dianji.testing.metric import MetricContract
from dianji.testing.optimizer import OptimizerContract
from dianji.testing.procedure import ProcedureContract
from dianji.testing.processor import ProcessorContract
from dianji.testing.schedule import ScheduleContract
from dianji.testing.selection import SelectionContract
from dianji.testing.source import SourceContract
from dianji.testing.task import TaskContract
from dianji.testing.technique import TechniqueContract

#: Kind -> its contract. A kind that is added to the registry is added here.
CONTRACTS: Mapping[str, type[ComponentContract]] = {
    "adaptation": AdaptationContract,
    "base": BaseContract,
    "baseline": BaselineContract,
    "column": ColumnKindContract,
    "architecture": BaseContract,
    "processor": ProcessorContract,
    "metric": MetricContract,
    "optimizer": OptimizerContract,
    "procedure": ProcedureContract,
    "selection": SelectionContract,
    "schedule": ScheduleContract,
    "source": SourceContract,
    "task": TaskContract,
    "technique": TechniqueContract,
}


def untested(kind: str, package: str = "dianji.") -> set[str]:
    """Names of components of ``kind``, defined in ``package``, for which no class derived from the contract exists.

    Import the test modules first: only classes that exist are seen.
    """
    tested = {cls.component for cls in contracts_of(kind)}
    return {
        name
        for name, cls in REGISTRY.names(kind).items()
        if cls not in tested and f"{cls.__module__}.".startswith(package)
    }


def contracts_of(kind: str) -> list[type[ComponentContract]]:
    """Every class that tests a component of ``kind``, each with arguments and toys of its own.

    Import the test modules first: only classes that exist are seen.
    """
    return [cls for cls in _concrete(CONTRACTS[kind]) if cls.kind == kind]


def _concrete(contract: type[ComponentContract]) -> Iterator[type[ComponentContract]]:
    for cls in contract.__subclasses__():
        if "component" in {name for name, _ in inspect.getmembers(cls)}:
            yield cls
        yield from _concrete(cls)
