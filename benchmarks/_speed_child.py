"""One measurement of ``speed.py`` in a process of its own; prints one JSON document."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

from _tools import DATA

#: Which module of ``suite`` does a work.
MODULES = {
    "full": "texts",
    "long": "texts",
    "frozen": "texts",
    "last-layers": "texts",
    "lora": "texts",
    "masked": "masked",
    "masked-110m-128": "masked",
    "masked-110m-512": "masked",
    "masked-tiny-32": "masked",
    "masked-tiny-64": "masked",
    "images": "images",
    "predict": "predicting",
    "tagging": "tagging",
    "similarity": "similarity",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["machine", "gpu", "sets", "artefact", *MODULES])
    parser.add_argument("--side", default="dianji")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--full", action="store_true", help="to the end")
    parser.add_argument("--names", nargs="*", default=[], help="of the sets to write")
    arguments = parser.parse_args()
    with redirect_stdout(sys.stderr):  # libraries print what they log
        result = measure(arguments)
    print(json.dumps(result))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    what = arguments.what
    if what == "machine":
        from suite import machine

        return {"kind": machine.kind(), **machine.rates()}
    if what == "gpu":
        from suite import machine

        return machine.gpu()
    if what == "sets":
        from suite import sets

        return sets.write(DATA, arguments.data, arguments.names)
    with tempfile.TemporaryDirectory(dir=arguments.data) as folder:
        if what == "artefact":
            from suite import predicting

            return predicting.prepare(arguments.data, Path(folder))
        module = import_module(f"suite.{MODULES[what]}")
        found = module.measure(what, arguments.side, arguments.data, Path(folder), arguments.seed, full=arguments.full)
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in found.items()}


if __name__ == "__main__":
    main()
