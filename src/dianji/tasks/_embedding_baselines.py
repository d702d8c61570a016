"""What baselines for vectors ask of a task: its texts, and the outcome of other vectors for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch

from dianji.bases.base import Base
from dianji.evaluate.outcome import Outcome
from dianji.evaluate.similar import Similarity
from dianji.tasks import _row_texts
from dianji.tasks._forms import FORMS

if TYPE_CHECKING:
    from dianji.tasks.sentence_embedding import SentenceEmbedding

_ROWS = 64  # that the untrained base reads at a time


@dataclass(frozen=True)
class TaskOnBase:
    """A fitted task beside the base that it starts from."""

    task: SentenceEmbedding
    base: Base

    def texts(self, table: pa.Table) -> list[str]:
        """All texts of all rows, with repetitions."""
        return [text for name in FORMS[self.task.form].texts for text in table[name].to_pylist()]

    def outcome(self, table: pa.Table, embed: Callable[[list[str]], Any]) -> Outcome:
        """The outcome of other vectors, beside the same truth.

        Args:
            table: rows with their targets.
            embed: texts -> (texts, width) of length one, as an array or a sparse matrix.
        """
        examples = self.task.encode(table, self.base)
        if self.task.form == "scored-pairs":
            one, other = embed(table["text"].to_pylist()), embed(table["other"].to_pylist())
            cosine = np.asarray(one.multiply(other).sum(axis=1) if hasattr(one, "multiply") else (one * other).sum(1))
            return Similarity(np.clip(cosine.ravel(), -1, 1).astype(np.float32), _row_texts.scalar(examples, "score"))
        questions = _row_texts.questions(examples, self.task.form)
        queries = embed(self._queries(table, examples))
        candidates = self._candidates(table)
        collection = embed([candidates[place] for place in questions.first.tolist()])

        def similarities(start: int, stop: int) -> np.ndarray:
            found = queries[start:stop] @ collection.T
            return np.asarray(found.toarray() if hasattr(found, "toarray") else found)

        return questions.ranked(similarities)

    def before_training(self) -> Callable[[pa.Table], Outcome] | None:
        """Gives the outcome of the base's own vectors; None where the base has learnt nothing yet."""
        if not self.base.card.pretrained or self.base.folder is None:
            return None
        model = self.task.model(self.base).model
        return lambda table: self._outcome_of(model, table)

    def _outcome_of(self, model: torch.nn.Module, table: pa.Table) -> Outcome:
        examples = self.task.encode(table, self.base)
        order = np.argsort(-examples["length"].to_numpy(), kind="stable")
        parts = []
        for start in range(0, len(order), _ROWS):
            some = examples.take(pa.array(order[start : start + _ROWS]))
            batch = self.task.collate(some, self.base, np.random.default_rng(0), purpose="score")
            with torch.inference_mode():
                parts.append(self.task.outcome(self.task.outputs(model, batch), some))
        joined = type(parts[0]).join(parts)
        return joined.take(np.argsort(order, kind="stable")).complete()

    def _queries(self, table: pa.Table, examples: pa.Table) -> list[str]:
        """The texts; of form ``texts`` the parts of them that are looked for."""
        if self.task.form != "texts":
            found: list[str] = table["text"].to_pylist()
            return found
        batch = self.task.collate(examples, self.base, np.random.default_rng(0), purpose="score")
        ids = zip(batch["input_ids"][:, 0].tolist(), batch["attention_mask"][:, 0].sum(dim=1).tolist(), strict=True)
        return [self.base.processor.decode(tokens[:length], skip_special_tokens=True) for tokens, length in ids]

    def _candidates(self, table: pa.Table) -> list[str]:
        """Row by row, as ``Questions.numbers`` has them."""
        names = FORMS[self.task.form].texts[1:] or ("text",)
        return [text for row in zip(*(table[name].to_pylist() for name in names), strict=True) for text in row]
