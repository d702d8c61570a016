"""A Unigram vocabulary (Kudo, 2018, arXiv:1804.10959) that is the same in every process.

The trainer of the tokenizers library sums in the order of a hash map, so that its scores differ from run to run. Here
words are counted on their best segmentation only (Viterbi training), and everything is ordered.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

LONGEST = 16  # characters of a piece
_SEEDS = 4  # pieces to begin with, as a multiple of those wanted
_SHRINK = 0.7  # pieces that survive a round
_WORDS = 30_000  # the most frequent words stand for all
_UNUSED = 0.5  # counted instead of nothing, so that every piece keeps a finite score

Pieces = list[tuple[str, float]]


def train_unigram(words: Mapping[str, int], size: int) -> Pieces:
    """At most ``size`` pieces with their log-probabilities, the likeliest first. All single characters are pieces."""
    ranked = sorted(words.items(), key=lambda item: (-item[1], item[0]))
    characters = _count_characters(ranked)
    kept = sorted(characters, key=lambda item: (-characters[item], item))[:size]
    ranked = [(word, count) for word, count in ranked[:_WORDS] if characters.keys() >= set(word)]
    room = size - len(kept)
    pieces = _seeds(ranked, _SEEDS * room)
    while True:
        scores = _scores(Counter({**dict.fromkeys(kept, _UNUSED), **pieces}))
        used = _use(ranked, scores)
        counts = Counter({piece: used.get(piece, 0) + _UNUSED for piece in scores})
        scores = _scores(counts)
        if len(pieces) <= room:
            return sorted(scores.items(), key=lambda item: (-item[1], item[0]))
        target = max(room, int(len(pieces) * _SHRINK))
        worth = {piece: used.get(piece, 0) * _loss(piece, scores) for piece in pieces}
        survivors = sorted(pieces, key=lambda item: (-worth[item], item))[:target]
        pieces = {piece: counts[piece] for piece in survivors}


def _count_characters(ranked: list[tuple[str, int]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for word, count in ranked:
        for character in word:
            counts[character] += count
    return counts


def _seeds(ranked: list[tuple[str, int]], size: int) -> dict[str, float]:
    """Substrings by how many characters of text they cover."""
    counts: Counter[str] = Counter()
    for word, count in ranked:
        for start in range(len(word)):
            for end in range(start + 2, min(len(word), start + LONGEST) + 1):
                counts[word[start:end]] += count
    best = sorted((item for item in counts if counts[item] > 1), key=lambda item: (-counts[item] * len(item), item))
    return {piece: float(counts[piece]) for piece in best[:size]}


def _scores(counts: Mapping[str, float]) -> dict[str, float]:
    total = math.fsum(counts.values())
    return {piece: math.log(count / total) for piece, count in counts.items()}


def _use(ranked: list[tuple[str, int]], scores: Mapping[str, float]) -> Counter[str]:
    """How often each piece stands in the best segmentation of the words."""
    used: Counter[str] = Counter()
    for word, count in ranked:
        for piece in _segment(word, scores)[1]:
            used[piece] += count
    return used


def _loss(piece: str, scores: Mapping[str, float]) -> float:
    """What the log-probability of one use of ``piece`` falls by when it has to be written with others."""
    return scores[piece] - _segment(piece, scores, without=piece)[0]


def _segment(word: str, scores: Mapping[str, float], without: str = "") -> tuple[float, list[str]]:
    """The best segmentation and its log-probability (Viterbi)."""
    best = [0.0] + [-math.inf] * len(word)
    start_of = [0] * (len(word) + 1)
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - LONGEST), end):
            piece = word[start:end]
            if piece in scores and piece != without and best[start] + scores[piece] > best[end]:
                best[end], start_of[end] = best[start] + scores[piece], start
    pieces, end = [], len(word)
    while end:
        pieces.append(word[start_of[end] : end])
        end = start_of[end]
    return best[-1], pieces[::-1]
