"""A data set of the Hugging Face Hub by its id, or a folder of the same layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pyarrow as pa

from dianji.data.files import split_named
from dianji.data.findings import Findings, plural
from dianji.data.source import SPLIT, Place, numbered, with_sources
from dianji.data.sources._arrow import with_label_names
from dianji.errors import CapabilityError, DataError
from dianji.registry import component


@component("source", "hub")
@dataclass(frozen=True)
class Hub:
    """Rows of a Hub data set through ``datasets`` (which runs no scripts). A folder needs no network."""

    suffixes: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[Literal["file", "folder", "service"]] = "service"

    config: str | None = None
    revision: str | None = None

    def read(self, place: Place, encoding: str, findings: Findings) -> pa.Table:
        """All columns, and ``__split__``; splits other than train, validation and test are left out and said.

        Raises:
            CapabilityError: the extra ``hub`` is missing.
            DataError: the id is unknown or unreachable, needs a script, or has no train split.
        """
        found = self._load(place.path)
        tables = []
        for name, dataset in found.items():
            split = split_named(name)
            if split is None:
                findings.warn(
                    f"{place.path}: split '{name}' ({plural(dataset.num_rows, 'row')}) is none of train, "
                    "validation, test and was left out"
                )
                continue
            table = with_label_names(dataset.flatten_indices().data.table, place.name)
            table = with_sources(table, numbered(f"{place.name} ({name})", table.num_rows))
            tables.append(table.append_column(SPLIT, pa.array([split] * table.num_rows, pa.string())))
        if not tables:
            raise DataError(
                f"{place.path} has the splits {', '.join(found)}; one of train, validation or test is needed."
            )
        return pa.concat_tables(tables, promote_options="permissive")

    def _load(self, path: str) -> dict[str, Any]:
        try:
            import datasets
        except ImportError:
            raise CapabilityError(
                'format: hub needs the package datasets. Install it: pip install "dianji[hub]"'
            ) from None
        datasets.disable_progress_bars()
        try:
            found: dict[str, Any] = dict(datasets.load_dataset(path, self.config, revision=self.revision))
        except (OSError, ValueError, RuntimeError) as error:
            raise DataError(
                f"{path}: the Hub data set cannot be loaded ({str(error).splitlines()[0]}). Check the id, or name "
                "a folder of the same layout."
            ) from None
        return found
