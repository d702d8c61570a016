"""One tree of errors. A message answers: what happened, what was expected, what was found, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class DianjiError(Exception):
    """The root of every error that Dianji raises on purpose.

    ``exit_code`` is what the command line returns: 2 where the input was wrong, 1 where the work failed.
    """

    exit_code: ClassVar[int] = 1


class RecipeError(DianjiError):
    """The recipe is wrong. Holds every fault that was found, one line each, not only the first."""

    exit_code = 2

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class DataError(DianjiError):
    """A file, a row, a column or a label is not what it should be."""

    exit_code = 2


class BaseError(DianjiError):
    """A base cannot be found, is damaged, or is of a kind that is never opened (pickles, remote code)."""

    exit_code = 2


class ArtefactError(DianjiError):
    """An artefact folder is damaged, incomplete, or does not reproduce its own probe."""

    exit_code = 2


class CapabilityError(DianjiError):
    """Something was asked for that this component, machine or installation cannot do."""

    exit_code = 2


class TrainingError(DianjiError):
    """Training cannot go on, for instance because the loss is no longer a number."""


class ResumeError(DianjiError):
    """A checkpoint cannot be continued from."""


class StoreError(DianjiError):
    """The store cannot be read or written: read-only, full, or in use by another process."""


class GateError(DianjiError):
    """A norm is not met, so that a model may not be released."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error message about an unknown name: the closest known name, and all of them.

    >>> did_you_mean("adamv", ["adamw", "sgd"])
    "Did you mean 'adamw'? Known: adamw, sgd."
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"Did you mean '{close[0]}'? " if close else ""
    shown = ", ".join(names[:40]) + (f", … ({len(names)} in all)" if len(names) > 40 else "")
    return f"{hint}Known: {shown}." if names else f"{hint}There are none."
