"""Look at data, time what could be done with them, and say what to begin with."""

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

    A little of each candidate is done as a run would do it, each in a process of its own: three optimiser steps, or
    what is frozen read for some rows and a head fitted to them. Nothing is trained to an end.

    Args:
        path: a table or folder.
        columns: text, image, label, labels, group or time -> what the data calls it; guessed where it is not given.
        minutes: how long a run may take.
        memory_gb: how much memory it may use; default: what is free.
        device: ``cpu`` or ``cuda``; ``auto`` is what a run would use.
        bases: only these (registered names, folders, Hub ids), and no new networks.
        recipe: where the recipe is to lie; its paths are taken from there.
        reporter: hears how it goes.
        store: whose own pre-trained models count as bases at hand; default ``$DIANJI_HOME`` or ``.dianji``.

    Raises:
        RecipeError: a budget is not positive; a column is unknown; the rows cannot be divided.
        DataError: what is wrong with the files, or there is nothing to learn from.
        BaseError: a base that was named is unknown or damaged.
        CapabilityError: there is no such device.
    """
    for name, value in (("minutes", minutes), ("memory", memory_gb)):
        if value is not None and value <= 0:
            raise RecipeError(f"--{name}: expected a number above 0, found {value:g}")
    budget = Budget(minutes, memory_gb, device)
    seen = taken_as(inspect(path), columns or {})
    return weigh(seen, store or Store.default(), budget, reporter or Silent(), bases=bases, recipe=Path(recipe))
