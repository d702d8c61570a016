"""Whether confidence holds."""

import numpy as np
import pytest

from dianji.evaluate.labelled import Classified
from dianji.evaluate.metrics.probability import ExpectedCalibrationError
from dianji.evaluate.modelled import Modelled
from dianji.report.blocks import Figure, Table, Words
from dianji.report.sections.reliability import RELIABILITY, bins
from dianji.report.subject import Subject
from dianji.testing import toys
from tests.narrow import sure
from tests.report.rendered import blocks


@pytest.mark.parametrize("quality", [0.3, 0.9])
def test_bins_are_those_of_the_calibration_error(quality):
    outcome = toys.outcome(Classified, quality)
    found = bins(outcome.decisions())
    assert sum(of.right.n for of in found) == outcome.rows
    gap = sum(abs(of.right.value - of.confidence) * of.right.n for of in found) / outcome.rows
    error = ExpectedCalibrationError()(outcome, np.ones((1, outcome.rows)))[0]
    assert gap == pytest.approx(error)


def test_the_figure_and_its_table_tell_the_same(subject):
    figure, block = blocks(RELIABILITY, subject)
    table = sure(Table, block)
    assert len(table.rows) == len(bins(subject.record.outcome.decisions()))
    assert sure(str, table.rows[-1][2]) in sure(Words, sure(Figure, figure).alt).en


def test_without_probabilities_or_record_there_is_none(subject):
    fresh = Subject(subject.folder, subject.manifest)
    fresh.__dict__["record"] = None
    assert RELIABILITY.tell(fresh) is None
    fresh.__dict__["record"] = type("R", (), {"outcome": toys.outcome(Modelled, 0.5)})()
    assert RELIABILITY.tell(fresh) is None
