"""Search: how well paragraphs are found by their questions, and exact search beside FAISS on 100,000 sentences.

Quality: XQuAD (English, Chinese) and the development set of CMRC 2018; every distinct paragraph is a document, every
question a query whose right document is its paragraph. Speed: sentences of the English novels by ``minilm`` (encoded in
bf16 where the hardware has it, since only the search is timed); other sentences of them are the queries. FAISS searches
as many lists as an index would choose; its recall is the share of the 10 nearest sentences that it finds.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet
from _tools import DATA, keep, need

from dianji import verbs
from dianji.data.sentences import sentences
from dianji.engine.inference import Inference
from dianji.retrieval.approximate import Lists
from dianji.retrieval.encoder import AT_ONCE, Encoder
from dianji.retrieval.measured import Searched
from dianji.retrieval.vectors import nearest

SETS = {
    "xquad-en": "xquad/xquad.en.json",
    "xquad-zh": "xquad/xquad.zh.json",
    "cmrc2018-dev": "cmrc2018/squad-style-data/cmrc2018_dev.json",
}
QUERIES = 500


def write(name: str, folder: Path) -> tuple[Path, Path]:
    """Documents and queries of a set in SQuAD's layout, as two tables."""
    held: dict[str, str] = {}
    asked: list[tuple[str, str]] = []
    for article in json.loads(need(DATA / SETS[name]).read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            key = held.setdefault(paragraph["context"], f"p{len(held)}")
            asked += [(question["question"], key) for question in paragraph["qas"] if question["question"].strip()]
    documents, queries = folder / f"{name}.csv", folder / f"{name}-queries.csv"
    for path, header, rows in (
        (documents, ("text", "id"), held.items()),
        (queries, ("query", "relevant"), asked),
    ):
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(rows)
    return documents, queries


def quality(models: list[str], folder: Path) -> Iterator[dict[str, object]]:
    for name in SETS:
        documents, queries = write(name, folder)
        for model in models:
            made = verbs.index(str(documents), folder / f"{name}-{model}", model=model)
            for way in made.ways if model == models[0] else made.ways[1:]:
                found = verbs.search_file(made.index, str(queries), by=way)
                assert isinstance(found, Searched)
                told = "bm25" if way == "bm25" else f"{model}, {way}"
                row = {"set": name, "by": told, "documents": made.documents, "queries": found.queries}
                for metric in ("recall-at-10", "mrr"):
                    value = found.metrics[metric]
                    row[metric] = f"{value.value:.3f} ({value.low:.3f} – {value.high:.3f})"
                print("  ".join(str(value) for value in row.values()), flush=True)
                yield row


def novels(count: int) -> list[str]:
    """Distinct sentences of 40 to 300 characters."""
    found: dict[str, None] = {}
    for book in pyarrow.parquet.read_table(need(DATA / "english_novels" / "english_novels.parquet"))["text"]:
        text = " ".join(book.as_py().split())
        found.update((text[start:stop], None) for start, stop in sentences(text) if 40 <= stop - start <= 300)
    every = list(found)
    return [every[row] for row in np.random.default_rng(0).permutation(len(every))[:count]]


def rate(search: Callable[[np.ndarray], object], queries: np.ndarray) -> tuple[float, float]:
    """Queries per second: one by one, and all at once."""
    search(queries[:1])
    start = time.perf_counter()
    for row in range(100):
        search(queries[row : row + 1])
    alone = 100 / (time.perf_counter() - start)
    start = time.perf_counter()
    search(queries)
    return alone, len(queries) / (time.perf_counter() - start)


def speed(count: int) -> dict[str, object]:
    encoder, texts = Encoder.open("minilm"), novels(count + QUERIES)
    blocks = []
    with Inference(encoder._network, "auto").on():
        for start in range(0, len(texts), AT_ONCE):
            blocks.append(encoder.passages(texts[start : start + AT_ONCE])[0])
    vectors = np.concatenate(blocks)
    queries, held = vectors[:QUERIES], np.ascontiguousarray(vectors[QUERIES:])
    right = nearest(queries, held, 10).passages.tolist()
    start = time.perf_counter()
    lists = Lists.fit(held)
    row: dict[str, object] = {"vectors": len(held), "lists": lists.count, "fit": time.perf_counter() - start}
    row["exact, alone and at once"] = rate(lambda some: nearest(some, held, 10), queries)
    for probes in (8, 16, 32, 64):
        lists.probes = probes
        found = lists.nearest(queries, 10).passages.tolist()
        recall = float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, right, strict=True)]))
        row[f"{probes} lists: recall, alone, at once"] = (recall, *rate(lambda some: lists.nearest(some, 10), queries))
    for name, value in row.items():
        print(name, value, flush=True)
    return row


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["minilm"])
    parser.add_argument("--only", choices=("quality", "speed"))
    parser.add_argument("--sentences", type=int, default=100_000)
    arguments = parser.parse_args()
    figures: dict[str, object] = {}
    if arguments.only != "speed":
        with tempfile.TemporaryDirectory() as folder:
            figures["quality"] = list(quality(arguments.models, Path(folder)))
    if arguments.only != "quality":
        figures["speed"] = speed(arguments.sentences)
    keep("retrieval", figures)
