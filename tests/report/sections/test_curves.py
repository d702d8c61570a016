"""Learning curves from the event log."""

import dataclasses

from dianji.report.blocks import Figure, Words
from dianji.report.sections.curves import CURVES
from dianji.report.subject import Subject
from tests.narrow import sure
from tests.report.rendered import blocks


def test_loss_and_score_are_drawn(subject):
    loss, score = (sure(Figure, block) for block in blocks(CURVES, subject))
    assert "from 1.5000 to" in sure(Words, loss.alt).en
    assert "0.7000 … 0.7000" in sure(Words, score.alt).zh


def test_a_long_run_is_thinned_out(subject, tmp_path):
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    lines = [f'{{"event": "step", "step": {step}, "loss": {1000.0 / step}}}\n' for step in range(1, 20_001)]
    (evidence / "events.jsonl").write_text("".join(lines))
    fresh = Subject(tmp_path, dataclasses.replace(subject.manifest))
    (loss,) = blocks(CURVES, fresh)
    assert len(sure(Figure, loss).drawing.svg) < 100_000


def test_a_model_that_was_not_trained_has_none(subject, tmp_path):
    assert CURVES.tell(Subject(tmp_path, subject.manifest)) is None
