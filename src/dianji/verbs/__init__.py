"""What can be done, as functions: every skin (command line, HTTP, pages) calls these and adds nothing."""

from dianji.verbs.describing import report
from dianji.verbs.running import check, finetune, run
from dianji.verbs.surveying import survey
from dianji.verbs.using import evaluate, open, predict_file, show

__all__ = [
    "check",
    "evaluate",
    "finetune",
    "open",
    "predict_file",
    "report",
    "run",
    "show",
    "survey",
]
