"""The sections of a report, in the order of reading. A further one is a file here and a line below."""

from __future__ import annotations

from dianji.report.section import Section
from dianji.report.sections.classes import CLASSES
from dianji.report.sections.confusion import CONFUSION
from dianji.report.sections.cost import COST
from dianji.report.sections.curves import CURVES
from dianji.report.sections.data import DATA
from dianji.report.sections.groups import GROUPS
from dianji.report.sections.identity import IDENTITY
from dianji.report.sections.label_errors import LABEL_ERRORS
from dianji.report.sections.lineage import LINEAGE
from dianji.report.sections.mistakes import MISTAKES
from dianji.report.sections.reliability import RELIABILITY
from dianji.report.sections.reproduce import REPRODUCE
from dianji.report.sections.scores import SCORES
from dianji.report.sections.slices import SLICES
from dianji.report.sections.written import WRITTEN

SECTIONS: tuple[Section, ...] = (
    IDENTITY,
    SCORES,
    DATA,
    CURVES,
    CLASSES,
    CONFUSION,
    RELIABILITY,
    GROUPS,
    MISTAKES,
    WRITTEN,
    LABEL_ERRORS,
    SLICES,
    COST,
    LINEAGE,
    REPRODUCE,
)
