"""What can be done, as functions: every skin (command line, HTTP, pages) calls these and adds nothing."""

from dianji.verbs.running import check, compare, finetune, run
from dianji.verbs.using import evaluate, open, predict_file, show

__all__ = ["check", "compare", "evaluate", "finetune", "open", "predict_file", "run", "show"]
