"""How alike texts are: Jaccard similarity of their shingles, and MinHash to find the pairs (Broder, 1997).

A shingle is a run of characters: two of scripts that write a word in one or two of them (Chinese, Japanese, Korean,
Thai), four of all others. Runs of characters forgive a typing error, an ending or a missing space, which words do not,
and a text of ten words has too few runs of words to tell *nearly equal* from *related*. Case, punctuation, width
variants and, in the first kind of scripts, spaces do not count.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

#: Jaccard similarity from which texts are near-duplicates.
LEAST = 0.8
#: A pair of similarity s shares a band with probability 1 - (1 - s**5)**20: 0.9996 at 0.8, 0.06 at 0.3.
BANDS, ROWS = 20, 5
WIDE, NARROW = 2, 4  # characters in a shingle

_DENSE = re.compile(  # Thai and Lao, Burmese, Khmer; Hangul; kana, Chinese characters
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
    r"\u1100-\u11ff\uac00-\ud7af\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
)
_BETWEEN = re.compile(r"[\W_]+")
_CHUNK = 1 << 18  # characters shingled at a time, which takes some hundred bytes for each
_PAIRS = 1 << 13  # pairs compared at a time; so do these
_BITS = np.uint64(40)  # of a shingle's number: two of 1,000 shingles agree by chance once in a million texts
_PRIME = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Shingled:
    """Texts as sets of shingles. A measure (see ``pairs.Measure``)."""

    #: The sets one after the other, each sorted and without repetition.
    values: np.ndarray  # (shingles,) uint64
    starts: np.ndarray  # (texts + 1,) int64
    bands: np.ndarray = field(repr=False)  # (texts, BANDS) uint64
    least: float = LEAST

    @classmethod
    def of(cls, texts: Sequence[str], characters: int) -> Shingled:
        """Texts that are not empty, of each of which the first ``characters`` are read."""
        values, sizes, bands = [np.empty(0, np.uint64)], [np.zeros(1, np.int64)], [np.empty((0, BANDS), np.uint64)]
        for chunk in _chunks(prepared(text[:characters]) for text in texts):
            found, counts = _sets(chunk)
            values.append(found)
            sizes.append(counts)
            bands.append(_banded(found, np.cumsum(counts) - counts))
        return cls(_joined(values), np.cumsum(np.concatenate(sizes)), _joined(bands))

    def likeness(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Jaccard similarity of the texts ``left`` and ``right`` (positions), exactly."""
        parts = [self._jaccard(left[at : at + _PAIRS], right[at : at + _PAIRS]) for at in range(0, len(left), _PAIRS)]
        return np.concatenate([np.empty(0), *parts])

    def _jaccard(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Both sets of each pair in one sorted list: what stands there twice is shared."""
        both = np.sort(np.concatenate([self._numbered(left), self._numbered(right)]))
        twice = both[1:][both[1:] == both[:-1]] >> _BITS
        shared = np.bincount(twice.astype(np.int64), minlength=len(left))
        sizes = np.diff(self.starts)
        return np.asarray(shared / (sizes[left] + sizes[right] - shared))

    def _numbered(self, texts: np.ndarray) -> np.ndarray:
        """The shingles of the texts, each below the number of its place in ``texts``."""
        sizes = np.diff(self.starts)[texts]
        ends = np.cumsum(sizes)
        place = np.arange(ends[-1] if len(ends) else 0) + np.repeat(self.starts[texts] - ends + sizes, sizes)
        number = np.repeat(np.arange(len(texts), dtype=np.uint64), sizes)
        return np.asarray((number << _BITS) | self.values[place])


def prepared(text: str) -> str:
    """What of a text counts: folded, without punctuation; spaces alone where words are spaced."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = _BETWEEN.sub(" ", folded).strip() or folded.strip()
    return words.replace(" ", "") if is_dense(words) else words


def is_dense(text: str) -> bool:
    """Whether most characters are of scripts that need few of them for a word."""
    return 2 * len(_DENSE.findall(text)) > len(text) - text.count(" ")


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """One after the other. Each is given up as soon as it is copied, so that they are not all there twice."""
    whole = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
    end = len(whole)
    while parts:
        part = parts.pop()
        whole[end - len(part) : end] = part
        end -= len(part)
    return whole


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for text in texts:
        chunk.append(text)
        size += len(text)
        if size >= _CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _sets(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The sets of some texts one after the other, and their sizes (each at least 1)."""
    width = np.array([WIDE if is_dense(text) else NARROW for text in texts])
    padded = [text.ljust(wide, "\0") for text, wide in zip(texts, width, strict=True)]
    length = np.array([len(text) for text in padded])
    letters = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    owner = np.repeat(np.arange(len(texts)), length)
    left = np.repeat(np.cumsum(length), length) - np.arange(len(letters))  # characters to the text's end
    shingles = np.where(width[owner] == WIDE, _runs(letters, WIDE), _runs(letters, NARROW))
    whole = left >= width[owner]
    packed = np.sort((owner[whole].astype(np.uint64) << _BITS) | (shingles[whole] >> np.uint64(24)))
    packed = packed[np.append(True, packed[1:] != packed[:-1])]
    sizes = np.bincount((packed >> _BITS).astype(np.int64), minlength=len(texts))
    return packed & ((np.uint64(1) << _BITS) - np.uint64(1)), sizes


def _runs(letters: np.ndarray, width: int) -> np.ndarray:
    """A number for the ``width`` characters from each position on; those beyond the end count as 0."""
    number = np.full(len(letters), width, dtype=np.uint64)
    for step in range(width):
        number *= _PRIME
        number[: max(0, len(letters) - step)] += letters[step:]
    return _mixed(number)


def _mixed(number: np.ndarray) -> np.ndarray:
    """Every bit of the result depends on every bit of ``number`` (the finaliser of splitmix64)."""
    number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(number ^ (number >> np.uint64(31)))


def _banded(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(texts, BANDS): the smallest shingle of each text under ROWS hash functions, as one number."""
    draws = np.random.Generator(np.random.PCG64(0)).integers(0, 2**63, size=(BANDS, ROWS, 2), dtype=np.uint64)
    bands = np.zeros((len(starts), BANDS), dtype=np.uint64)
    hashed = np.empty_like(values)
    for band, functions in enumerate(draws):
        for factor, term in functions:
            np.multiply(values, factor * np.uint64(2) + np.uint64(1), out=hashed)
            hashed += term
            hashed >>= np.uint64(32)  # the high bits are the well-mixed ones
            bands[:, band] = _mixed(bands[:, band] * _PRIME + np.minimum.reduceat(hashed, starts))
    return bands
