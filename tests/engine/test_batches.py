"""Batches: every example once an epoch, within the budget, little padding, a function of seed and epoch alone."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import csv, parquet
from torch.nn import functional

from dianji.bases.resolve import resolve
from dianji.engine.batches import POOL, BatchOrder, Size, bucketed, in_order, over_budget
from dianji.errors import CapabilityError
from dianji.tasks.masked_language import MaskedLanguage
from dianji.tasks.text_classification import TextClassification
from dianji.testing import toys

LENGTHS = st.lists(st.integers(1, 60), max_size=300).map(lambda values: np.array(values, dtype=np.int32))
SIZES = st.builds(Size, examples=st.integers(1, 40)) | st.builds(Size, tokens=st.integers(1, 400))


def realistic(rows, seed=0):
    """Lengths of questions: mostly around a dozen tokens, a few of a hundred (log-normal)."""
    return np.clip(np.random.default_rng(seed).lognormal(2.5, 0.5, rows), 3, 128).astype(np.int32)


def padding(batches, lengths):
    """The share of tokens that are padding."""
    area = sum(len(batch) * lengths[batch].max() for batch in batches)
    return 1 - lengths.sum() / area


def assert_fits(batches, lengths, size):
    for batch in batches:
        assert len(batch) > 0
        if size.examples is not None:
            assert len(batch) <= size.examples
        else:
            assert len(batch) == 1 or len(batch) * lengths[batch].max() <= size.tokens


@given(LENGTHS, SIZES, st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_each_example_once_an_epoch_and_within_the_budget(lengths, size, seed, epoch):
    batches = bucketed(lengths, size, seed, epoch)
    assert sorted(np.concatenate(batches).tolist() if batches else []) == list(range(len(lengths)))
    assert_fits(batches, lengths, size)


@given(LENGTHS, SIZES)
def test_in_order_too_and_the_longest_first(lengths, size):
    batches = in_order(lengths, size)
    assert sorted(np.concatenate(batches).tolist() if batches else []) == list(range(len(lengths)))
    assert_fits(batches, lengths, size)
    longest = [lengths[batch].max() for batch in batches]
    assert longest == sorted(longest, reverse=True)


@given(LENGTHS, SIZES, st.integers(0, 99))
def test_the_same_seed_and_epoch_give_the_same_batches(lengths, size, seed):
    one, other = bucketed(lengths, size, seed, 3), bucketed(lengths, size, seed, 3)
    assert [batch.tolist() for batch in one] == [batch.tolist() for batch in other]


@pytest.fixture(scope="module")
def reader():
    """A tiny transformer with a head for three labels, in evaluation mode."""
    torch.manual_seed(0)
    base, task = toys.text_base(), TextClassification(labels=toys.LABELS)
    model = task.model(base).model.eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight *= 10  # drawn as small as they are, the loss would hardly depend on what is read
    return task, base, model


def losses(reader, examples, batches):
    """(examples,) cross-entropies, each computed in its batch; NaN where an example was in none."""
    task, base, model = reader
    found = np.full(examples.num_rows, np.nan, dtype=np.float32)
    for indices in batches:
        batch = task.collate(examples.take(pa.array(indices)), base, np.random.default_rng(0), purpose="train")
        each = functional.cross_entropy(
            torch.from_numpy(task.outputs(model, batch)["logits"]), batch["labels"], reduction="none"
        )
        torch.testing.assert_close(task.loss(model, batch).value, each.mean(), atol=1e-5, rtol=0)
        assert np.isnan(found[indices]).all(), "an example was in two batches"
        found[indices] = each
    return found


@given(
    words=st.lists(st.integers(0, 30), min_size=1, max_size=60),
    size=st.builds(Size, examples=st.integers(1, 16)) | st.builds(Size, tokens=st.integers(1, 200)),
    unbucketed=st.integers(1, 16),
    seed=st.integers(0, 2**32 - 1),
    epoch=st.integers(0, 5),
)
def test_an_example_has_the_same_loss_in_bucketed_batches_as_in_any_others(
    reader, words, size, unbucketed, seed, epoch
):
    """Beside batches that are cut from a random order, where short examples are padded to long ones."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(toys.vocabulary()[5:], number)) for number in words]
    task, base, _ = reader
    examples = task.encode(pa.table({"text": texts, "label": rng.choice(toys.LABELS, len(texts))}), base)
    lengths = examples["length"].to_numpy()
    assert lengths.tolist() == [number + 2 for number in words]  # with the tokens at both ends
    order = rng.permutation(len(texts))
    expected = losses(reader, examples, np.split(order, range(unbucketed, len(order), unbucketed)))
    found = losses(reader, examples, bucketed(lengths, size, seed, epoch))
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [Size(examples=64), Size(tokens=4096)], ids=["examples", "tokens"])
class TestOnQuestions:
    def test_padding_is_below_five_percent(self, size):
        lengths = realistic(10_003)
        assert padding(bucketed(lengths, size, 7, 0), lengths) < 0.05
        assert padding(in_order(lengths, size), lengths) < 0.05

    def test_epochs_and_seeds_differ_in_batches_not_only_in_order(self, size):
        lengths = realistic(2000)
        made = [bucketed(lengths, size, seed, epoch) for seed, epoch in [(7, 0), (7, 1), (8, 0)]]
        sets = [{frozenset(batch.tolist()) for batch in batches} for batches in made]
        assert sets[0].isdisjoint(sets[1])
        assert sets[0].isdisjoint(sets[2])

    def test_lengths_come_in_random_order(self, size):
        lengths = realistic(10_003)
        means = [lengths[batch].mean() for batch in bucketed(lengths, size, 7, 0)]
        correlation = np.corrcoef(means, np.arange(len(means)))[0, 1]
        assert abs(correlation) < 0.25

    def test_few_batches_are_small(self, size):
        lengths = realistic(10_003)
        batches = bucketed(lengths, size, 7, 0)
        full = np.median([len(batch) for batch in batches])
        assert sum(len(batch) < full / 4 for batch in batches) <= 2 + len(lengths) / (full * POOL)


@pytest.mark.real
@pytest.mark.parametrize("name", ["banking77", "xquad", "english_novels"])
def test_padding_of_public_data_is_below_five_percent(data_root, name):
    """With the tokenizer of all-MiniLM-L6-v2 and the batches that recipes get by default."""
    base = resolve("minilm", "text", seed=0).prepare(pa.table({}))
    task, texts, size = PUBLIC[name](data_root)
    lengths = task.encode(pa.table({"text": texts}), base)["length"].to_numpy()
    for epoch in range(3):
        assert padding(bucketed(lengths, size, 7, epoch), lengths) < 0.05
    assert padding(in_order(lengths, Size(tokens=2048)), lengths) < 0.05


def banking77(root):
    file = root / "banking77" / "banking_data" / "train.csv"
    return TextClassification(labels=("a", "b")), csv.read_csv(file)["text"].to_pylist(), Size(examples=64)


def xquad(root):
    articles = json.loads((root / "xquad" / "xquad.en.json").read_text("utf-8"))["data"]
    contexts = [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]
    return MaskedLanguage(), contexts, Size(tokens=2048)


def english_novels(root):
    novels = parquet.read_table(root / "english_novels" / "english_novels.parquet", columns=["text"])
    return MaskedLanguage(), novels["text"].slice(0, 8).to_pylist(), Size(tokens=4096)


PUBLIC = {"banking77": banking77, "xquad": xquad, "english_novels": english_novels}


def test_an_example_above_the_budget_is_alone():
    lengths = np.array([5, 900, 5, 5], dtype=np.int32)
    batches = bucketed(lengths, Size(tokens=20), 0, 0)
    assert [1] in [batch.tolist() for batch in batches]


@given(LENGTHS, st.integers(1, 400))
def test_a_batch_of_tokens_takes_as_many_as_fit(lengths, budget):
    """Beside the loop that adds one example after the other."""
    expected: list[list[int]] = []
    for index in np.argsort(-lengths, kind="stable").tolist():
        longest = max([lengths[i] for i in expected[-1]] + [lengths[index]]) if expected else 0
        if not expected or longest * (len(expected[-1]) + 1) > budget:
            expected.append([])
        expected[-1].append(index)
    assert [batch.tolist() for batch in in_order(lengths, Size(tokens=budget))] == expected


class TestOverBudget:
    LENGTHS = np.array([5, 30, 7, 40], dtype=np.int32)

    @pytest.mark.parametrize("size", [Size(tokens=40), Size(examples=1)])
    def test_nothing_to_say(self, size):
        assert over_budget(self.LENGTHS, size) == ""
        assert over_budget(self.LENGTHS[:0], Size(tokens=1)) == ""

    def test_some(self):
        assert over_budget(self.LENGTHS, Size(tokens=20)) == (
            "2 of 4 examples are longer than train.batch_tokens (20); each makes a batch of its own, the largest of "
            "40 tokens"
        )

    def test_a_budget_that_fits_none_is_refused(self):
        with pytest.raises(
            CapabilityError, match=r"batch_tokens 4 is less than any example .* 5 tokens, the longest 40"
        ):
            over_budget(self.LENGTHS, Size(tokens=4))


class TestCourse:
    def test_a_step_is_so_many_micro_batches_the_last_one_fewer(self):
        course = BatchOrder(realistic(100), Size(examples=10), accumulate=4, seed=7)
        assert [len(step) for step in course.steps(0)] == [4, 4, 2]

    @pytest.mark.parametrize(("epochs", "expected"), [(1.0, 3), (2.0, 6), (0.5, 2), (2.5, 8), (0.01, 1)])
    def test_total_by_examples(self, epochs, expected):
        assert BatchOrder(realistic(100), Size(examples=10), 4, 7).total(epochs) == expected

    @pytest.mark.parametrize("epochs", [1, 3])
    def test_total_by_tokens_counts_what_will_be_done(self, epochs):
        course = BatchOrder(realistic(500), Size(tokens=128), accumulate=3, seed=7)
        assert course.total(epochs) == sum(len(course.steps(epoch)) for epoch in range(epochs))

    def test_a_part_of_an_epoch_by_tokens(self):
        course = BatchOrder(realistic(500), Size(tokens=128), accumulate=3, seed=7)
        assert course.total(1.5) == len(course.steps(0)) + round(len(course.steps(1)) / 2)
