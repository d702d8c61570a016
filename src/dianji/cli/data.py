"""``dianji data``: examines data before training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dianji.cli.answer import Answer
from dianji.cli.options import Columns, DataPath, Json, Quiet, columns_of

if TYPE_CHECKING:
    from dianji.verbs.surveying import Survey

Base = Annotated[
    str | None,
    typer.Option(
        "--base", help="Also look for likely label errors, on the frozen features of this base.", show_default=False
    ),
]
_FEW = 10
_WIDTH = 60  # columns of a label or a place in the data


def data(
    path: DataPath, column: Columns = None, base: Base = None, as_json: Json = False, quiet: Quiet = False
) -> Answer:
    """Look at data without training: counts, duplicates, leakage, near-duplicates, personal data, label errors."""
    from dianji import verbs
    from dianji.cli.progress import reporter

    columns = columns_of(column)
    found = verbs.survey(path, columns=columns, base=base, reporter=reporter(silent=as_json or quiet))
    return Answer(found.to_json(), lambda: _show(found))


def _show(found: Survey) -> None:
    from dianji.cli.tables import clean, print_pairs

    print_pairs([(name, clean(value)) for name, value in _facts(found)])
    for part in (_show_near, _show_personal, _show_label_errors):
        part(found)
    for warning in found.warnings:
        print(f"warning: {clean(warning)}")


def _facts(found: Survey) -> Iterator[tuple[str, str]]:
    report = found.report
    yield "files", ", ".join(f"{file['name']} ({file['format']}, {file['rows']:,} rows)" for file in report["files"])
    yield "columns", ", ".join(f"{name}: {column}" for name, column in found.columns.items())
    divided = set(report["rows"]) != {"train"}
    yield "rows", _counted(report["rows"]) if divided else f"{report['rows']['train']:,}, not divided"
    for split, labels in report.get("labels", {}).items():
        of = f" of {split}" if divided else ""
        yield f"labels{of}", f"{len(labels):,}: {_counted(dict(list(labels.items())[:5]))}{', …' * (len(labels) > 5)}"
    for split, lengths in report.get("characters", {}).items():
        of = f" of {split}" if divided else ""
        yield (
            f"characters{of}",
            f"median {lengths['median']:,.0f}, 95 % below {lengths['p95']:,.0f}, at most {lengths['max']:,.0f}",
        )
    if "languages" in report:
        yield "languages", ", ".join(f"{entry['language']} {entry['share']:.0%}" for entry in report["languages"])
    for name, described in {**report.get("images", {}), **report.get("values", {})}.items():
        for of, value in described.items():
            if value:
                yield f"{of} ({name})", _counted(value) if isinstance(value, dict) else f"{value:,}"
    yield "equal rows", f"{report['duplicates']['count']:,}"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _show_near(found: Survey) -> None:
    from dianji.cli.tables import print_table, shorten
    from dianji.data.findings import plural

    near = found.quality["near_duplicates"]
    if not near:
        return
    seen = near["looked_at"]
    part = f"; of each text the first {seen['characters']:,} characters" if "characters" in seen else ""
    many = "" if seen["inputs"] == seen["of"] else f"; {seen['inputs']:,} of {seen['of']:,} different inputs looked at"
    count = f"{plural(near['count'], 'input')} beyond the first of {plural(near['groups'], 'group')}"
    print(f"\nnear-duplicates: {count}{many}{part}")
    print(f"  ({near['method']})")
    rows = [
        [shorten(entry["row"], _WIDTH), shorten(entry["like"], _WIDTH), f"{entry['likeness']:.2f}"]
        for entry in near["rows"][:_FEW]
    ]
    if rows:
        print_table(["row", "is like", "likeness"], rows, right=(2,))


def _show_personal(found: Survey) -> None:
    from dianji.cli.tables import print_table

    rows = [
        [column, kind, f"{entry['count']:,}", "; ".join(f"{at['row']} ({at['value']})" for at in entry["rows"][:3])]
        for column, kinds in found.quality["personal_data"].items()
        for kind, entry in kinds.items()
    ]
    print("\npersonal data:" + ("" if rows else " none found"))
    if rows:
        print_table(["column", "kind", "rows", "such as"], rows, right=(2,))


def _show_label_errors(found: Survey) -> None:
    from dianji.cli.tables import print_table, shorten

    wrong: Mapping[str, Any] = found.label_errors
    if not wrong:
        if "label" in found.columns:
            print("\nlikely label errors: not looked for; name a base, such as --base minilm")
        return
    print(f"\nlikely label errors: {wrong['count']:,} of {wrong['looked_at']['rows']:,} rows (base {wrong['base']})")
    rows = [
        [
            shorten(entry["row"], _WIDTH),
            f"{shorten(entry['label'], _WIDTH)} ({entry['probability']:.2f})",
            f"{shorten(entry['suggested'], _WIDTH)} ({entry['suggested_probability']:.2f})",
        ]
        for entry in wrong["rows"][:_FEW]
    ]
    if rows:
        print_table(["row", "label", "rather"], rows)
