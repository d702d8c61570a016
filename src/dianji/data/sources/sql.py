"""SQL: a connection URL and a query, through SQLAlchemy."""

from __future__ import annotations

import os
import string
from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa

from dianji.data.findings import Findings
from dianji.data.source import Place, numbered
from dianji.data.sources._records import table
from dianji.errors import CapabilityError, DataError
from dianji.registry import component


@component("source", "sql")
@dataclass(frozen=True)
class Sql:
    """The rows of ``query``. ``${NAME}`` in ``url`` is an environment variable: no password belongs in a recipe."""

    suffixes: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[Literal["file", "folder", "service"]] = "service"

    url: str = ""
    query: str = ""

    def read(self, place: Place, encoding: str, findings: Findings) -> pa.Table:
        """A column for each of the query's; add ORDER BY where the order of rows matters.

        Raises:
            CapabilityError: the extra ``sql`` is missing.
            DataError: no url or query, the data base says no, or there are no rows.
        """
        if not self.url or not self.query:
            raise DataError("format: sql needs options: {url: sqlite:///tickets.db, query: SELECT … FROM …}")
        try:
            import sqlalchemy
        except ImportError:
            raise CapabilityError(
                'format: sql needs the package sqlalchemy. Install it: pip install "dianji[sql]"'
            ) from None
        try:
            engine = sqlalchemy.create_engine(_filled(self.url))
            try:
                with engine.connect() as connection:
                    records = [dict(row) for row in connection.execute(sqlalchemy.text(self.query)).mappings()]
            finally:
                engine.dispose()
        except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise DataError(
                f"the query failed: {reason}. Check the url, the query and the data base's driver."
            ) from None
        if not records:
            raise DataError("the query gave no rows: at least one row is needed.")
        return table(records, numbered("query", len(records)))


def _filled(url: str) -> str:
    try:
        return string.Template(url).substitute(os.environ)
    except KeyError as error:
        raise DataError(
            f"the url of the data base asks for the environment variable {error.args[0]}, which is not set. Set it."
        ) from None
    except ValueError:
        raise DataError(
            "a '$' in the url of the data base begins ${NAME}; write '$$' for the character itself."
        ) from None
