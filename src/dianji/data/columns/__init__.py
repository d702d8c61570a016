"""Column kinds, one file each: how the values of a column are read, checked, compared, shown and stored."""

from dianji.data.columns.base import Cells, Column, ColumnKind

__all__ = ["Cells", "Column", "ColumnKind"]
