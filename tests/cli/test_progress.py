"""Progress: lines now and then, bars on a terminal, nothing when silent."""

import io
import sys

import pytest

from dianji.cli.progress import Bars, Lines, clock, reporter
from dianji.reporting import Silent


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr("dianji.cli.progress.monotonic", fake)
    return fake


def test_lines_come_at_most_every_ten_seconds(time: Clock, capsys):
    with Lines().work("intent", 100, "steps") as meter:
        for _ in range(100):
            time.now += 1.0
            meter.advance(1, loss=0.5, samples_per_second=412.0)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert len(lines) == 10
    assert lines[0] == "intent: 10 of 100 (10%) steps, loss 0.5, 412 samples/s, 1.0 steps/s, 1:30 left"
    assert lines[-1] == "intent: 100 of 100 (100%) steps, loss 0.5, 412 samples/s, 1.0 steps/s, in 1:40"


def test_slow_work_is_told_seldom_but_told(time: Clock, capsys):
    with Lines().work("intent", 10_000, "steps", done=9_000) as meter:
        for _ in range(4):
            time.now += 60.0
            meter.advance()
    assert [line.split(",")[0:2] for line in capsys.readouterr().err.splitlines()] == [
        ["intent: 9", "002 of 10"],
        ["intent: 9", "004 of 10"],
    ]


def test_short_work_is_not_worth_a_line(time: Clock, capsys):
    with Lines().work("encoding", None, "rows") as meter:
        meter.advance(5)
    assert capsys.readouterr().err == ""


def test_unknown_totals(time: Clock, capsys):
    with Lines().work("reading", None, "rows") as meter:
        time.now += 20
        meter.advance(2000)
    assert capsys.readouterr().err == "reading: 2,000 rows, 100.0 rows/s\n"


def test_messages(capsys):
    lines = Lines()
    lines.say("done")
    lines.warn("odd")
    assert capsys.readouterr().err == "done\nwarning: odd\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bars_show_figures_and_go_when_done(monkeypatch: pytest.MonkeyPatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    bars = reporter(silent=False)
    assert isinstance(bars, Bars)
    for title in ("intent [1]", "second"):  # one piece of work after the other, with one inside
        with bars.work(title, 10, "steps") as meter:
            meter.advance(4, loss=0.25, samples_per_second=99.0)
            with bars.work("evaluating", None, "rows") as inner:
                inner.advance(3)
            bars.say("epoch 1 [bold]")
            bars.warn("odd")
    text = terminal.getvalue()
    for told in ("intent [1]", "second", "4/10", "steps", "loss 0.25, 99 samples/s", "epoch 1 [bold]", "warning: odd"):
        assert told in text


def test_the_reporter_fits_the_place(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(reporter(silent=True), Silent)
    assert isinstance(reporter(silent=False), Lines)


@pytest.mark.parametrize(("seconds", "told"), [(0, "0:00"), (65.4, "1:05"), (3725, "1:02:05")])
def test_clock(seconds: float, told: str):
    assert clock(seconds) == told
