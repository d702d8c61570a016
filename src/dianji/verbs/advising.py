"""Advises a base and a way of tuning for data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dianji.advice import Advice
from dianji.data.inspect import inspect, taken_as
from dianji.errors import RecipeError
from dianji.pipeline.advise.advise import Budget
from dianji.pipeline.advise.advise import advise as weigh
from dianji.pipeline.advise.trial import Device
from dianji.reporting import Reporter, Silent
from dianji.store.steps import Store


def advise(
    path: str,
    *,
    columns: Mapping[str, str] | None = None,
    minutes: float | None = None,
    memory_gb: float | None = None,
    device: Device = "auto",
    bases: Sequence[str] = (),
    recipe: str | Path = "recipe.yaml",
    reporter: Reporter | None = None,
    store: Store | None = None,
) -> Advice:
    """Candidates (base x adaptation) for data that nobody has described yet, timed and ranked; the best one first.

    A short part of each candidate's run is timed, each in a process of its own: three optimiser steps, or frozen states
    of some rows and the fit of a head. Nothing is trained to an end.

    Args:
        path: a table or folder.
        columns: text, image, label, labels, group or time -> its name in the data; guessed where it is not given.
        minutes: how long a run may take.
        memory_gb: how much memory it may use; default: the free memory.
        device: ``cpu`` or ``cuda``; ``auto`` is the device that a run would use.
        bases: only these (registered names, folders, Hub ids), and no new networks.
        recipe: where the recipe is to lie; its paths are taken from there.
        reporter: receives messages and progress.
        store: its own pre-trained models are candidates too; default ``$DIANJI_HOME`` or ``.dianji``.

    Raises:
        RecipeError: a budget is not positive; a column is unknown; the rows cannot be divided.
        DataError: the files have faults, or there is nothing to learn from.
        BaseError: a base that was named is unknown or damaged.
        CapabilityError: there is no such device.
    """
    for name, value in (("minutes", minutes), ("memory", memory_gb)):
        if value is not None and value <= 0:
            raise RecipeError(f"--{name}: expected a number above 0, found {value:g}")
    budget = Budget(minutes, memory_gb, device)
    seen = taken_as(inspect(path), columns or {})
    return weigh(seen, store or Store.default(), budget, reporter or Silent(), bases=bases, recipe=Path(recipe))
