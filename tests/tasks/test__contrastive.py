from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from sentence_transformers.sentence_transformer import losses as theirs
from torch import nn

from dianji.kernels.layers.fast import find_fast_layers
from dianji.tasks._contrastive import Compared, CoSENT, InBatch, Matryoshka, MeanSquares, Triplet, encoded, similar
from dianji.tasks.sentence_embedding import SentenceEmbedding
from dianji.testing import toys

ROWS, WIDTH = 6, 8


def compared(texts=2, seed=0, numbers=None, key=None, score=None):
    torch.manual_seed(seed)
    plain = torch.arange(ROWS * texts).view(ROWS, texts)
    numbers = plain if numbers is None else torch.tensor(numbers)
    return Compared(
        torch.randn(ROWS, texts, WIDTH, requires_grad=True),
        numbers,
        numbers[:, 0] if key is None else torch.tensor(key),
        None if score is None else torch.tensor(score),
    )


def vectors(of):
    return [of.vectors[:, text] for text in range(of.vectors.shape[1])]


@pytest.mark.parametrize("texts", [2, 3])
def test_in_batch_is_theirs_where_nothing_occurs_twice(texts):
    of = compared(texts)
    reference = theirs.MultipleNegativesRankingLoss(None, scale=20.0)
    expected = reference.compute_loss_from_embeddings(vectors(of), None)
    torch.testing.assert_close(InBatch(20.0)(of), expected)


def test_symmetric_in_batch_is_theirs():
    of = compared()
    both = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
    reference = theirs.MultipleNegativesRankingLoss(None, scale=20.0, **both)
    torch.testing.assert_close(
        InBatch(20.0, symmetric=True)(of), reference.compute_loss_from_embeddings(vectors(of), None)
    )


def test_cosent_is_theirs():
    of = compared(score=[0.0, 0.2, 0.2, 0.5, 1.0, 0.5])
    reference = theirs.CoSENTLoss(None, scale=20.0)
    torch.testing.assert_close(CoSENT(20.0)(of), reference.compute_loss_from_embeddings(vectors(of), of.score))


def test_mean_squares_and_triplet_by_hand():
    of = compared(score=[0.5] * ROWS)
    cosine = nn.functional.cosine_similarity(*vectors(of))
    torch.testing.assert_close(MeanSquares()(of), (cosine - 0.5).square().mean())
    of = compared(3)
    near, far = (nn.functional.cosine_similarity(vectors(of)[0], vectors(of)[place]) for place in (1, 2))
    torch.testing.assert_close(Triplet(0.3)(of), (0.3 - near + far).clamp(min=0).mean())


def gradient(loss, of):
    (found,) = torch.autograd.grad(loss(of), of.vectors)
    return found


@pytest.mark.parametrize(
    ("numbers", "key"),
    [
        ([[0, 1], [2, 1], [4, 5], [6, 7], [8, 9], [10, 11]], None),  # equal positives
        ([[0, 1], [2, 0], [4, 5], [6, 7], [8, 9], [10, 11]], None),  # the first text is the second row's positive
        ([[0, 1], [0, 3], [4, 5], [6, 7], [8, 9], [10, 11]], None),  # equal texts: both positives are right
        (None, [7, 7, 1, 2, 3, 4]),  # one class
    ],
)
def test_what_is_known_to_be_right_is_no_negative(numbers, key):
    """The first row's text is not pushed away from the second row's positive."""
    of, loss = compared(numbers=numbers, key=key), InBatch(20.0)
    cosine = nn.functional.normalize(of.vectors[:, 0], dim=1) @ nn.functional.normalize(of.vectors[:, 1], dim=1).T
    kept = torch.ones(ROWS, ROWS, dtype=torch.bool)
    kept[0, 1] = False
    if not (numbers and numbers[1] == [2, 0]):
        kept[1, 0] = False
    expected = nn.functional.cross_entropy((20 * cosine).masked_fill(~kept, -torch.inf), torch.arange(ROWS))
    torch.testing.assert_close(loss(of), expected)


def test_symmetric_knows_what_is_right_too():
    numbers = [[0, 1], [2, 1], [4, 5], [6, 7], [8, 9], [10, 11]]
    of = compared(numbers=numbers)
    texts, partners = (nn.functional.normalize(of.vectors[:, place], dim=1) for place in (0, 1))
    kept = torch.ones(ROWS, ROWS, dtype=torch.bool)
    kept[0, 1] = kept[1, 0] = False
    halves = [
        nn.functional.cross_entropy((20 * cosine).masked_fill(~kept, -torch.inf), torch.arange(ROWS))
        for cosine in (texts @ partners.T, partners @ texts.T)
    ]
    torch.testing.assert_close(InBatch(20.0, symmetric=True)(of), sum(halves) / 2)


def test_a_batch_of_equal_scores_teaches_nothing():
    of = compared(score=[0.5] * ROWS)
    assert CoSENT(20.0)(of).item() == 0.0
    assert not gradient(CoSENT(20.0), of).any()


def test_matryoshka_is_the_mean_over_widths():
    of, loss = compared(), InBatch(20.0)
    cut = [loss(Compared(of.vectors[..., :size], of.numbers, of.key)) for size in (4, 8)]
    torch.testing.assert_close(Matryoshka(loss, (4, 8))(of), sum(cut) / 2)
    assert Matryoshka(loss, (4, 8)).couples
    assert not Matryoshka(Triplet(), (4,)).couples


def gradients(at_once, *, fast=False):
    """Of in-batch negatives over 24 rows, without dropout."""
    task = SentenceEmbedding(at_once=at_once).fit(toys.pair_table())
    torch.manual_seed(0)
    base = toys.text_base()
    base.config.hidden_dropout_prob = base.config.attention_probs_dropout_prob = 0.0
    model = task.model(base).model.train()
    batch = task.collate(task.encode(toys.pair_table(), base), base, np.random.default_rng(0), purpose="train")
    if fast:
        path = find_fast_layers(model, torch.device("cpu"))
        assert path.layers
        with path.on():
            task.loss(model, batch).value.backward()
    else:
        task.loss(model, batch).value.backward()
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("fast", [False, True])
def test_some_rows_at_a_time_give_the_gradients_of_all_at_once(fast):
    """Without dropout, since chunks draw other numbers than the whole; the next test has dropout."""
    whole = gradients(None, fast=fast)
    for at_once in (1, 5, 24):
        found = gradients(at_once, fast=fast)
        assert found.keys() == whole.keys()
        for name, gradient_ in whole.items():
            torch.testing.assert_close(found[name], gradient_, rtol=1e-4, atol=1e-6)


class Dropping(nn.Module):
    """Vectors of (rows, time) numbers, with dropout."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, WIDTH)
        self.drop = nn.Dropout(0.5)

    def forward(self, numbers, attention_mask):
        return type("Found", (), {"vectors": self.drop(self.layer(numbers))})()


def test_the_second_pass_draws_what_the_first_one_drew():
    """The gradients are those of plain passes over the same groups with the same dropout."""
    torch.manual_seed(0)
    model = Dropping().train()
    inputs = {"numbers": torch.randn(ROWS, 1, 4), "attention_mask": torch.ones(ROWS, 1, 4, dtype=torch.int64)}

    def run(at_once):
        torch.manual_seed(3)
        if at_once:
            found = encoded(model, inputs, at_once)[:, 0]
        else:
            found = torch.cat([model(part, None).vectors for part in inputs["numbers"][:, 0].split(2)])
        return found, torch.autograd.grad(found.square().sum(), model.layer.weight)[0]

    for found, expected in zip(run(2), run(None), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("seed", range(5))
def test_texts_of_similar_length_share_a_pass(seed):
    """Never dearer than one pass over all, nor than one pass for each length; and the best of all ways to cut."""
    lengths = np.sort(np.random.default_rng(seed).integers(3, 40, size=12))

    def cost(edges):
        return sum(lengths[stop - 1] * (stop - start) + 150 for start, stop in pairwise(edges))

    found = similar(lengths)
    assert (found[0], found[-1]) == (0, 12)
    every = ([0, *inner, 12] for count in range(4) for inner in combinations(range(1, 12), count))
    assert cost(found) <= min(cost(edges) for edges in every)
    assert len(similar(np.full(500, 7))) == 2
    long = similar(np.repeat([10, 400], 30))
    assert long == [0, 30, 60]
