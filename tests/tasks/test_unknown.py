"""Unknown tokens are counted per row, special tokens aside."""

from __future__ import annotations

from types import SimpleNamespace

import pyarrow as pa
import pytest

from dianji import verbs
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from dianji.tasks.masked_language import MaskedLanguage
from dianji.tasks.text_classification import TextClassification
from dianji.tasks.unknown import count_unknown
from dianji.testing import toys
from tests.engine.conftest import Log


def test_of_texts_in_another_script():
    base, table = toys.text_base(), toys.text_table().slice(0, 4)
    task = TextClassification().fit(toys.text_table())
    known = count_unknown(task.encode(table, base), base, 4)
    assert known is not None
    assert (known.unknown == 0).all()
    odd = table.set_column(0, "text", pa.array(["😀 😀", "卡 卡", str(table["text"][2]), ""]))
    found = count_unknown(task.encode(odd, base), base, 4)
    assert found is not None
    assert found.unknown[:2].tolist() == found.tokens[:2].tolist() == [2, 2]
    assert found.unknown[2] == 0
    assert found.tokens[2] == known.tokens[2]


def test_of_rows_that_are_several_examples():
    base = toys.text_base()
    table = pa.table({"text": ["😀 " * 100, str(toys.text_table()["text"][0])]})
    found = count_unknown(MaskedLanguage(length=16).encode(table, base), base, 2)
    assert found is not None
    assert found.unknown.tolist() == [100, 0]


@pytest.mark.parametrize(("unknown", "eos"), [(None, 1), (1, 1)])
def test_a_tokenizer_that_writes_every_text_has_none(unknown, eos):
    processor = SimpleNamespace(unk_token_id=unknown, eos_token_id=eos, all_special_ids=[1])
    examples = pa.table({"row": [0], "input_ids": pa.array([[1, 2]], pa.large_list(pa.int32()))})
    assert count_unknown(examples, SimpleNamespace(processor=processor), 1) is None  # type: ignore[arg-type]  # enough


def test_examples_without_tokens():
    assert count_unknown(pa.table({"row": [0], "image": [b""]}), toys.text_base(), 1) is None


def test_a_run_tells_them_and_keeps_them_in_the_report(tmp_path):
    words = [word for word in toys.vocabulary() if word.isalpha()]
    plain = [f"{words[n % len(words)]} {words[n % 7]},{'ab'[n % 2]}" for n in range(40)]
    (tmp_path / "train.csv").write_text("\n".join(["text,label", *plain]) + "\n", encoding="utf-8")
    (tmp_path / "test.csv").write_text("text,label\n" + "😀 😀,a\nбаба банк,b\n" * 4, encoding="utf-8")
    base = {"new": "transformer", "layers": 1, "width": 16, "heads": 2, "length": 16, "tokenizer": "characters"}
    stage = {"task": "text-classification", "data": "rows", "train": {"steps": 1}}
    stage["evaluate"] = {"resamples": 100, "baselines": False}
    data = {"rows": {"path": str(tmp_path)}}
    recipe = Recipe.parse({"name": "toy", "base": base, "data": data, "stages": {"learn": stage}})
    store, log = Store(tmp_path / "store"), Log()
    planned = [warning for warning in verbs.check(recipe, store=store).warnings if "UNKNOWN" in warning]
    assert planned[0].startswith("learn: test: MOST TOKENS ARE UNKNOWN: ")
    result = verbs.run(recipe, store=store, reporter=log)
    told = [warning for warning in log.warned if "UNKNOWN" in warning]
    assert len(told) == 1
    assert "by label: 'a' 100%" in told[0]
    artefact = result.stages[0].artefact
    assert '"unknown_tokens"' in (artefact / "evidence/data.json").read_text(encoding="utf-8")
