"""``dianji schema``: the recipe's JSON schema, for editors."""

from __future__ import annotations

from dianji.cli.answer import Answer, print_json
from dianji.cli.options import Json


def schema(as_json: Json = False) -> Answer:
    """Print the recipe's JSON schema. Editors complete from it: dianji schema > recipe-schema.json."""
    from dianji.spec.schema import json_schema

    document = json_schema()
    return Answer(document, lambda: print_json(document))
