"""Metrics of generated text against one reference each: BLEU and chrF as sacrebleu computes them, and simpler ones.

BLEU and chrF are statistics of the whole corpus. Their values equal sacrebleu's ``corpus_score``; their signature says
what was counted, so that figures of two papers can be compared (Post, 2018, arXiv:1804.08771).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, ClassVar, Literal

import numpy as np

from dianji.data.language import detect
from dianji.errors import CapabilityError
from dianji.evaluate.counts import ratio
from dianji.evaluate.generated import Generated
from dianji.evaluate.ngrams import ngrams, overlap
from dianji.evaluate.outcome import Outcome
from dianji.registry import component

#: How BLEU cuts text into words; auto: Chinese by character, Japanese and Korean by character too, all others by 13a.
Tokenize = Literal["auto", "13a", "intl", "zh", "char", "none"]
_CLASSES = {
    "13a": "tokenizer_13a.Tokenizer13a",
    "intl": "tokenizer_intl.TokenizerV14International",
    "zh": "tokenizer_zh.TokenizerZh",
    "char": "tokenizer_char.TokenizerChar",
    "none": "tokenizer_none.NoneTokenizer",
}
_BY_LANGUAGE = {"zh": "zh", "ja": "char", "ko": "char"}

_WORDS = 4  # the longest n-grams of BLEU
_CHARACTERS = 6  # and those of chrF
_BETA = 2.0  # chrF weighs recall so much more than precision


@dataclass(frozen=True)
class _WordGrams:
    """(rows, 2 + 2 * 4): words of the answer, of the reference, matches by order, n-grams of the answer by order."""

    tokenize: str

    def __call__(self, answers: Sequence[str], references: Sequence[str]) -> np.ndarray:
        words = _tokenizer(self.tokenize)
        cut = [[words(text.rstrip()).split() for text in texts] for texts in (answers, references)]
        rows = [self._row(*both) for both in zip(*cut, strict=True)]
        return np.array(rows, dtype=np.float64).reshape(len(answers), 2 + 2 * _WORDS)

    def _row(self, answer: list[str], reference: list[str]) -> list[int]:
        ours, theirs = tuple(answer), tuple(reference)
        orders = range(1, _WORDS + 1)
        hits = [overlap(ngrams(ours, order), ngrams(theirs, order)) for order in orders]
        return [len(ours), len(theirs), *hits, *(max(0, len(ours) - order + 1) for order in orders)]


@dataclass(frozen=True)
class _CharacterGrams:
    """(rows, 3 * 6): n-grams of the answer, of the reference, and matches, by order."""

    def __call__(self, answers: Sequence[str], references: Sequence[str]) -> np.ndarray:
        rows = [self._row("".join(a.split()), "".join(b.split())) for a, b in zip(answers, references, strict=True)]
        return np.array(rows, dtype=np.float64).reshape(len(answers), 3 * _CHARACTERS)

    def _row(self, answer: str, reference: str) -> list[int]:
        orders = range(1, _CHARACTERS + 1)
        hits = [overlap(ngrams(answer, order), ngrams(reference, order)) for order in orders]
        theirs = [max(0, len(reference) - order + 1) for order in orders]
        # As in sacrebleu: n-grams of an order that the reference is too short for are not held against the answer.
        ours = [max(0, len(answer) - order + 1) if other else 0 for order, other in zip(orders, theirs, strict=True)]
        return [*ours, *theirs, *hits]


@dataclass(frozen=True)
class _Lengths:
    """(rows, 2): characters of the answer and of the reference, spaces left out."""

    def __call__(self, answers: Sequence[str], references: Sequence[str]) -> np.ndarray:
        rows = [(len("".join(a.split())), len("".join(b.split()))) for a, b in zip(answers, references, strict=True)]
        return np.array(rows, dtype=np.float64).reshape(len(answers), 2)


@component("metric", "bleu")
@dataclass(frozen=True)
class Bleu:
    """n-gram precision of up to four words with a penalty for short answers (Papineni et al., 2002), in per cent.

    Args:
        tokenize: how words are found; auto follows from the language of the references.
    """

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Generated,)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 100.0)

    tokenize: Tokenize = "auto"

    def __call__(self, outcome: Generated, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        # Smoothing makes the value depend on the size of the corpus: resamples of whole groups get that of the rows.
        shares = weights * (outcome.rows / weights.sum(axis=1, keepdims=True))
        sums = shares @ outcome.statistics(_WordGrams(self._chosen(outcome)))
        answer, reference, hits, total = sums[:, 0], sums[:, 1], sums[:, 2 : 2 + _WORDS], sums[:, 2 + _WORDS :]
        # An order without a hit counts as half a hit, the next one as a quarter, and so on (sacrebleu's smooth: exp).
        missing = (hits == 0) & (total > 0)
        smoothed = np.where(missing, 0.5 ** np.cumsum(missing, axis=1), hits)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.where(total > 0, np.log(smoothed / total), -np.inf).mean(axis=1)
            penalty = np.where(answer < reference, np.exp(1 - reference / answer), 1.0)
        value = np.where(hits.any(axis=1), 100 * penalty * np.exp(logs), 0.0)
        clipped: np.ndarray = np.clip(value, 0.0, 100.0)  # sums of logarithms round
        return clipped

    def signature(self, outcome: Generated) -> str:
        """sacrebleu's, such as ``nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0``."""
        return f"nrefs:1|case:mixed|eff:no|tok:{self._chosen(outcome)}|smooth:exp|version:{_version()}"

    def _chosen(self, outcome: Generated) -> str:
        return _tokenize_for(outcome) if self.tokenize == "auto" else self.tokenize


@component("metric", "chrf")
@dataclass(frozen=True)
class Chrf:
    """F-score of n-grams of up to six characters, recall twice as heavy as precision (Popović, 2015), in per cent.

    It needs no words, and suits languages with rich inflection and scripts without spaces.
    """

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Generated,)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 100.0)

    def __call__(self, outcome: Generated, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        sums = (weights @ outcome.statistics(_CharacterGrams())).reshape(len(weights), 3, _CHARACTERS)
        answer, reference, hits = sums[:, 0], sums[:, 1], sums[:, 2]
        counted = (answer > 0) & (reference > 0)  # orders that both sides are long enough for
        orders = np.maximum(1, counted.sum(axis=1))
        precision = (ratio(hits, answer) * counted).sum(axis=1) / orders
        recall = (ratio(hits, reference) * counted).sum(axis=1) / orders
        factor = _BETA**2
        score = 100 * ratio((1 + factor) * precision * recall, factor * precision + recall)
        clipped: np.ndarray = np.clip(score, 0.0, 100.0)
        return clipped

    def signature(self, outcome: Generated) -> str:
        """Sacrebleu's."""
        return f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{_version()}"


@component("metric", "exact-match")
@dataclass(frozen=True)
class ExactMatch:
    """The share of answers that equal their reference, but for spaces around them."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Generated,)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, outcome: Generated, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        values: np.ndarray = weights @ outcome.exact() / weights.sum(axis=1)
        return values


@component("metric", "length-ratio")
@dataclass(frozen=True)
class LengthRatio:
    """Characters of all answers to those of all references, or the inverse where answers are longer: 1 is the best."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Generated,)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, outcome: Generated, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        sums = weights @ outcome.statistics(_Lengths())
        return ratio(sums.min(axis=1), sums.max(axis=1))


def _tokenize_for(outcome: Generated) -> str:
    """By the language that most references are in."""
    found = detect(outcome.texts[1])
    language = found[0][0].split("-")[0] if found else "und"
    return _BY_LANGUAGE.get(language, "13a")


@cache
def _tokenizer(name: str) -> Callable[[str], str]:
    """Sacrebleu's tokenizer: a text to words with spaces between them."""
    module, kind = _CLASSES[name].split(".")
    require_sacrebleu()
    made: Callable[[str], str] = getattr(import_module(f"sacrebleu.tokenizers.{module}"), kind)()
    return made


def _version() -> str:
    return str(require_sacrebleu().__version__)


def require_sacrebleu() -> Any:
    """The package.

    Raises:
        CapabilityError: it is not installed.
    """
    try:
        return import_module("sacrebleu")
    except ImportError as error:
        raise CapabilityError(
            'BLEU and chrF are counted as sacrebleu does, which is missing. Install it: pip install "dianji[text]"'
        ) from error
