"""The command line: one file per verb, thin over ``dianji.verbs``. Starting it imports no torch."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from typing import Annotated, Any, NoReturn

import typer

from dianji import __version__
from dianji.cli import (
    advise,
    chat,
    check,
    compare,
    data,
    diff,
    evaluate,
    gc,
    index,
    init,
    listing,
    log,
    predict,
    report,
    run,
    schema,
    search,
    show,
    verify,
)
from dianji.cli.answer import Answer, use_utf8
from dianji.cli.failure import Failure
from dianji.launch import TOLD, launch, refuse_several

app = typer.Typer(
    name="dianji",
    help="From raw data to a fine-tuned, evaluated and reproducible model.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # rich is slow to import, and help is read often
    pretty_exceptions_enable=False,
)
app.command("init")(init.init)
app.command("advise")(advise.advise)
app.command("data")(data.data)
app.command("check")(check.check)
app.command("run")(run.run)
app.command("compare")(compare.compare)
app.command("predict")(predict.predict)
app.command("chat")(chat.chat)
app.command("evaluate")(evaluate.evaluate)
app.command("index")(index.index)
app.command("search")(search.search)
app.command("show")(show.show)
app.command("report")(report.report)
app.command("verify")(verify.verify)
app.command("log")(log.log)
app.command("diff")(diff.diff)
app.command("gc")(gc.gc)
app.command("list")(listing.list_components)
app.command("schema")(schema.schema)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"dianji {__version__}")
        raise typer.Exit


@app.callback()
def _dianji(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the code an error came from.")] = False,
) -> None:
    if context.invoked_subcommand != "run":
        refuse_several(f"dianji {context.invoked_subcommand}")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 done, 1 it failed, 2 the input was wrong, 130 interrupted."""
    sys.exit(invoke(sys.argv[1:] if arguments is None else arguments))


def invoke(arguments: Sequence[str]) -> int:
    """Run a command; the exit code. With ``--json`` stdout gets one JSON document, whatever happens."""
    use_utf8(sys.stdout, sys.stderr)
    as_json = "--json" in arguments
    debug = "--debug" in arguments or os.environ.get("DIANJI_DEBUG", "0") not in {"", "0"}
    try:
        # What libraries print must not get between the document and its reader.
        with redirect_stdout(sys.stderr) if as_json else nullcontext():
            answer = _command([argument for argument in arguments if argument != "--debug"])
        if launch().main:  # of several processes, one answers
            answer.print(as_json=as_json)
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader (``| head``) has seen enough; nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except typer.Exit as ended:  # --help and --version have said all
        return ended.exit_code
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the border to a person
        if debug:
            traceback.print_exc()
        failure = Failure.of(error)
        if TOLD not in getattr(error, "__notes__", ()):
            failure.print(as_json=as_json and os.environ.get("RANK", "0") == "0")
        return failure.exit_code
    return answer.exit_code


def _command(arguments: list[str]) -> Answer:
    command: Any = typer.main.get_command(app)
    with command.make_context("dianji", arguments) as context:
        answer = command.invoke(context)
    return answer if isinstance(answer, Answer) else Answer(None)
