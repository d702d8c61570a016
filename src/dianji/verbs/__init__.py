"""What can be done, as functions: every skin (command line, HTTP, pages) calls these and adds nothing."""

from dianji.verbs.advising import advise
from dianji.verbs.collecting import delete_garbage, find_garbage
from dianji.verbs.describing import report
from dianji.verbs.differing import diff
from dianji.verbs.history import lineage, log
from dianji.verbs.running import check, compare, finetune, run
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
    "lineage",
    "log",
    "open",
    "predict_file",
    "report",
    "run",
    "show",
    "survey",
    "verify",
    "verify_ledger",
]
