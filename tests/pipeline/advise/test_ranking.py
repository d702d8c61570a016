"""Which candidate is advised before which, and what is said for it."""

from __future__ import annotations

import pytest

from dianji.advice import Knowledge
from dianji.bases.base import Card
from dianji.pipeline.advise.candidates import ADAPTATIONS, Candidate
from dianji.pipeline.advise.ranking import NEW, DataFacts, ranking_key

MANY = DataFacts(train=5000, labels=10, modality="text", language="en")
FEW = DataFacts(train=50, labels=10, modality="text", language="en")
HELPS, HINDERS = Knowledge(0.8, 0.7, 100), Knowledge(0.4, 0.7, 100)


def pretrained(adapt="full", *, name="some", languages=("en",)) -> Candidate:
    card = Card(name, "text", "bert", 384, True, languages=languages)
    return Candidate(f"{name}, {adapt}", name, card, adapt, {})


def new(name: str, modality="text", *, prepares=False) -> Candidate:
    return Candidate(f"new {name}", {"new": name}, Card(name, modality, name, 64, False), "full", {}, prepares)


def place(candidate: Candidate, rows: DataFacts = MANY, known: Knowledge | None = None) -> tuple[float, ...]:
    return ranking_key(candidate, rows, known)[0]


def test_a_base_that_knows_the_labels_comes_before_new_networks_and_one_that_does_not_after():
    assert place(pretrained(), known=HELPS) < place(new("lstm")) < place(pretrained(), known=HINDERS)


def test_clearly_worse_is_more_than_chance():
    assert Knowledge(0.74, 0.76, 500).helps
    assert not Knowledge(0.54, 0.77, 500).helps


def test_where_nothing_was_measured_the_language_on_the_card_decides():
    assert place(pretrained()) < place(new("lstm")) < place(pretrained(languages=("zh",)))
    assert place(pretrained(languages=())) < place(new("lstm"))


def test_of_several_bases_the_one_that_knows_more():
    better = Knowledge(0.9, 0.7, 100)
    assert place(pretrained(name="one"), known=better) < place(pretrained(name="other"), known=HELPS)


@pytest.mark.parametrize("rows", [MANY, FEW])
def test_every_way_of_tuning_has_a_place_of_its_own_and_a_reason(rows: DataFacts):
    judged = [ranking_key(pretrained(adapt), rows, HELPS) for adapt in ADAPTATIONS]
    assert len({place for place, _ in judged}) == len(ADAPTATIONS)
    assert len({str(reasons[-1]) for _, reasons in judged}) == len(ADAPTATIONS)
    assert ("few labels" in str(judged[0][1][-1])) == (rows is FEW)


def test_without_labels_nothing_is_said_of_them():
    _, reasons = ranking_key(pretrained(), DataFacts(500, 0, "text", "en"), None)
    assert [str(reason) for reason in reasons] == ["pre-trained on en; the data are en"]


@pytest.mark.parametrize("modality", ["text", "image"])
def test_new_networks_have_the_order_that_was_measured_and_unknown_ones_come_last(modality):
    rows = DataFacts(5000, 10, modality, "und")
    names = [*NEW[modality], "plug-in"]
    places = [place(new(name, modality), rows) for name in names]
    assert places == sorted(places)
    assert len(set(places)) == len(places)


def test_accuracies_are_told():
    _, (known, _) = ranking_key(pretrained(), MANY, HELPS)
    assert str(known) == "pre-trained: its frozen features predict 80% of 100 held-out rows, counted words 70%"
