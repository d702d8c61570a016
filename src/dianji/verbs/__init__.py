"""The verbs as functions: every skin (command line, HTTP, pages) calls these and adds nothing.

Each is imported on first use, so that a verb does not import the libraries of another.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dianji.verbs.advising import advise
    from dianji.verbs.collecting import delete_garbage, find_garbage
    from dianji.verbs.describing import report
    from dianji.verbs.differing import diff
    from dianji.verbs.history import lineage, log
    from dianji.verbs.running import check, compare, finetune, run
    from dianji.verbs.searching import index, search, search_file
    from dianji.verbs.surveying import survey
    from dianji.verbs.using import evaluate, open, predict_file, show
    from dianji.verbs.verifying import verify, verify_ledger

__all__ = [
    "advise",
    "check",
    "compare",
    "delete_garbage",
    "diff",
    "evaluate",
    "find_garbage",
    "finetune",
    "index",
    "lineage",
    "log",
    "open",
    "predict_file",
    "report",
    "run",
    "search",
    "search_file",
    "show",
    "survey",
    "verify",
    "verify_ledger",
]

_HOMES = {
    "advise": "advising",
    "check": "running",
    "compare": "running",
    "delete_garbage": "collecting",
    "diff": "differing",
    "evaluate": "using",
    "find_garbage": "collecting",
    "finetune": "running",
    "index": "searching",
    "lineage": "history",
    "log": "history",
    "open": "using",
    "predict_file": "using",
    "report": "describing",
    "run": "running",
    "search": "searching",
    "search_file": "searching",
    "show": "using",
    "survey": "surveying",
    "verify": "verifying",
    "verify_ledger": "verifying",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dianji.verbs' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"dianji.verbs.{_HOMES[name]}"), name)
    globals()[name] = value  # the next look-up finds it without coming here
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
