from __future__ import annotations

import pytest

from dianji.errors import CapabilityError
from dianji.tasks.sentence_embedding import SentenceEmbedding
from dianji.tasks.sequence_tagging import SequenceTagging
from dianji.tasks.text_classification import TextClassification
from dianji.testing import toys


@pytest.mark.parametrize(
    ("task", "rows"),
    [
        (TextClassification(pooling="first"), toys.text_table),
        (TextClassification(pooling="mean"), toys.text_table),
        (SentenceEmbedding(), toys.pair_table),
        (SequenceTagging(crf=True), toys.tokens_table),
    ],
    ids=["first", "mean", "embedding", "crf"],
)
def test_an_encoder_decoder_is_refused(task, rows):
    with pytest.raises(CapabilityError, match=r"is an encoder-decoder \(m2m_100\), and this task reads the tokens"):
        task.fit(rows()).model(toys.seq2seq_base())
