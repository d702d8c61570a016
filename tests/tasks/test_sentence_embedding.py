import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from sentence_transformers import SentenceTransformer

from dianji.bases.base import Card
from dianji.bases.folder import FolderBase
from dianji.errors import BaseError, CapabilityError, DataError
from dianji.tasks._denoising import deleted
from dianji.tasks._row_texts import PARTNERS, classmates
from dianji.tasks.masked_language import MaskedLanguage
from dianji.tasks.sentence_embedding import SentenceEmbedding
from dianji.tasks.text_classification import TextClassification
from dianji.testing import toys

TEXTS = ["where is my card", "  my refund is late again", "", "i lost the cash today please", "card"]


def vectors(task, base, texts=TEXTS):
    torch.manual_seed(0)
    model = task.model(base).model
    examples = task.encode(pa.table({"text": texts}), base)
    batch = task.collate(examples, base, np.random.default_rng(0), purpose="predict")
    return model, task.outputs(model, batch)["vector"]


def saved(task, base, folder):
    model, found = vectors(task, base)
    model.save_pretrained(folder)
    base.processor.save_pretrained(folder)
    return found


@pytest.mark.parametrize(
    "arguments", [{}, {"pooling": "first"}, {"normalize": False}, {"prompt": "please "}, {"length": 5}]
)
def test_sentence_transformers_gives_our_vectors(arguments, tmp_path):
    found = saved(SentenceEmbedding(**arguments), toys.text_base(), tmp_path)
    theirs = SentenceTransformer(str(tmp_path), device="cpu", local_files_only=True)
    np.testing.assert_allclose(theirs.encode(TEXTS), found, atol=1e-6)
    if arguments.get("normalize", True):
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_prompts_of_both_sides_are_saved_and_come_back(tmp_path):
    base, pairs = toys.text_base(), toys.pair_table()
    task = SentenceEmbedding(prompt="where ", partner_prompt="please ")
    saved(task, base, tmp_path)
    theirs = SentenceTransformer(str(tmp_path), device="cpu", local_files_only=True)
    opened = FolderBase(tmp_path).prepare(pairs)
    assert opened.card.prompts == (("document", "please "), ("query", "where "))
    plain = SentenceEmbedding()
    outputs = task.outputs(plain.model(opened).model, batch_of(plain, opened, pairs))
    np.testing.assert_allclose(theirs.encode_query(pairs["text"].to_pylist()), outputs["vector"], atol=1e-6)
    partners = theirs.encode_document(pairs["positive"].to_pylist())
    np.testing.assert_allclose(partners, outputs["partners"][:, 0], atol=1e-6)


def batch_of(task, base, table, purpose="score"):
    return task.collate(task.encode(table, base), base, np.random.default_rng(0), purpose=purpose)


def test_prompts_of_symmetric_forms_are_alike(tmp_path):
    saved(SentenceEmbedding(prompt="where ", partner_prompt="please "), toys.text_base(), tmp_path)
    opened = FolderBase(tmp_path).prepare(toys.pair_table())
    scored = pa.table({"text": ["card"], "other": ["card"], "score": [1.0]})
    examples = SentenceEmbedding(form="scored-pairs").encode(scored, opened)
    numbers = examples["numbers"].to_pylist()[0]
    assert numbers[0] == numbers[1]


def test_a_stage_of_language_modelling_keeps_the_prompts(tmp_path):
    from dianji.tasks.chain import keep_pooling

    saved(SentenceEmbedding(prompt="where "), toys.text_base(), tmp_path / "first")
    base = FolderBase(tmp_path / "first").prepare(toys.pair_table())
    MaskedLanguage().model(base).model.save_pretrained(tmp_path / "second")
    base.processor.save_pretrained(tmp_path / "second")
    keep_pooling(tmp_path / "second", base)
    assert dict(FolderBase(tmp_path / "second").card().prompts)["query"] == "where "


def test_equal_texts_have_equal_numbers_across_columns_and_tables():
    base = toys.text_base()
    table = pa.table({"text": ["card", "cash"], "positive": ["cash", "card please"]})
    examples = SentenceEmbedding().encode(table, base)
    first, second = examples["numbers"].to_pylist()
    assert first[1] == second[0]
    again = SentenceEmbedding().encode(table.slice(1, 1), base)
    assert again["numbers"].to_pylist() == [second]


def test_lengths_and_cuts_are_of_the_longest_text():
    table = pa.table({"text": ["card"], "positive": ["my card is late again please"]})
    examples = SentenceEmbedding(length=5).encode(table, toys.text_base())
    assert examples["length"].to_pylist() == [5]
    assert examples["whole"].to_pylist() == [8]


def test_an_objective_must_go_with_the_form():
    with pytest.raises(CapabilityError, match="objective cosent does not go with form pairs; expected mnrl"):
        SentenceEmbedding(objective="cosent")


def test_equal_scores_teach_nothing():
    table = pa.table({"text": ["a", "b"], "other": ["c", "d"], "score": [2.0, 2.0]})
    with pytest.raises(DataError, match="column 'score' is 2 in all 2 rows"):
        SentenceEmbedding(form="scored-pairs").fit(table)


def test_the_range_of_the_scores_is_learnt():
    assert SentenceEmbedding(form="scored-pairs").fit(toys.scored_table()).scores == (0.5, 2.86)
    given = SentenceEmbedding(form="scored-pairs", scores=(0.0, 5.0))
    assert given.fit(toys.scored_table()).scores == (0.0, 5.0)


def test_a_missing_partner_is_an_error_with_its_row():
    table = pa.table({"text": ["a", "b"], "positive": ["c", None], "__source__": ["f.csv, line 2", "f.csv, line 3"]})
    with pytest.raises(DataError, match=r"f\.csv, line 3: column 'positive' is null"):
        SentenceEmbedding().encode(table, toys.text_base())


def test_dimensions_beyond_the_width_are_refused():
    with pytest.raises(CapabilityError, match="dimensions: 32 is more than the 16 of base 'toy-text'"):
        SentenceEmbedding(dimensions=(8, 32)).model(toys.text_base())


def test_a_base_with_further_modules_is_refused(tmp_path):
    saved(SentenceEmbedding(), toys.text_base(), tmp_path)
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules[2] |= {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "2_Dense").mkdir()
    (tmp_path / "2_Dense" / "config.json").write_text('{"in_features": 16, "out_features": 7}')
    base = FolderBase(tmp_path).prepare(toys.pair_table())
    with pytest.raises(CapabilityError, match=r"pass through a module Dense \(2_Dense\)"):
        SentenceEmbedding().model(base)
    (tmp_path / "modules.json").write_text("[1]")
    with pytest.raises(BaseError, match="not a list of modules"):
        SentenceEmbedding().model(FolderBase(tmp_path).prepare(toys.pair_table()))


def test_a_classifier_is_a_base_without_its_head(tmp_path):
    base, table = toys.text_base(), toys.text_table()
    torch.manual_seed(0)
    TextClassification().fit(table).model(base).model.save_pretrained(tmp_path)
    base.processor.save_pretrained(tmp_path)
    opened = FolderBase(tmp_path).prepare(table)
    assert vectors(SentenceEmbedding(form="classes"), opened)[1].shape == (5, 16)


def test_predictions_are_arrays_and_short_unless_asked():
    task, base = SentenceEmbedding(), toys.text_base()
    found = task.predictions({"vector": vectors(task, base)[1]}, pa.table({"text": TEXTS}), base)
    assert isinstance(found[0].vector, np.ndarray)
    assert found[0].to_json() == {"dimensions": 16, "norm": pytest.approx(1.0, abs=1e-6)}
    assert found[0].to_json(everything=True)["vector"] == found[0].vector.tolist()


def test_partners_are_of_the_same_class_and_not_the_row_itself():
    key = np.array([0, 1, 0, 1, 0, 2, 0, 0, 0])
    found = classmates(key)
    assert found.shape == (9, 1 + PARTNERS)
    for row, members in enumerate(found):
        assert members[0] == row
        assert (key[members] == key[row]).all()
        if key[row] != 2:
            assert row not in members[1:]
    assert len(set(found[0][1:])) == PARTNERS
    assert found[5].tolist() == [5] * (1 + PARTNERS)


def test_training_draws_partners_of_a_class_and_scoring_reads_the_text_alone():
    task, base = SentenceEmbedding(form="classes"), toys.text_base()
    examples = task.encode(toys.text_table(), base)
    drawn = [task.collate(examples, base, np.random.default_rng(seed), purpose="train") for seed in (0, 1)]
    assert drawn[0]["input_ids"].shape[:2] == (24, 2)
    assert not torch.equal(drawn[0]["numbers"], drawn[1]["numbers"])
    assert task.collate(examples, base, np.random.default_rng(0), purpose="score")["input_ids"].shape[1] == 1


def test_deleting_keeps_special_tokens_and_one_word():
    ids = np.array([[2, 10, 11, 12, 3], [2, 10, 3, 0, 0], [2, 3, 0, 0, 0]])
    real = ids > 0
    ordinary = ids > 9
    draw = np.array([[0.9, 0.1, 0.7, 0.2, 0.0]] * 3)
    found, left = deleted(ids, real, ordinary, draw, 0.5, 0)
    assert found.tolist() == [[2, 11, 3, 0, 0], [2, 10, 3, 0, 0], [2, 3, 0, 0, 0]]
    assert left.sum(axis=1).tolist() == [3, 3, 2]


def test_texts_alone_are_scored_by_parts_that_do_not_depend_on_the_batch():
    task, base = SentenceEmbedding(form="texts"), toys.text_base()
    examples = task.encode(toys.text_table(), base)
    one, other = (task.collate(examples, base, np.random.default_rng(seed), purpose="score") for seed in (0, 1))
    assert torch.equal(one["input_ids"], other["input_ids"])
    alone = task.collate(examples.slice(3, 1), base, np.random.default_rng(2), purpose="score")
    time = alone["input_ids"].shape[-1]
    assert torch.equal(alone["input_ids"][0], one["input_ids"][3, :, :time])
    assert (one["attention_mask"][:, 0].sum(1) < one["attention_mask"][:, 1].sum(1)).any()


def test_the_decoder_is_not_saved(tmp_path):
    saved(SentenceEmbedding(form="texts", objective="tsdae"), toys.text_base(), tmp_path)
    plain = tmp_path / "plain"
    saved(SentenceEmbedding(form="texts"), toys.text_base(), plain)
    assert {path.name for path in tmp_path.iterdir()} - {"plain"} == {path.name for path in plain.iterdir()}


def test_a_new_base_learns_the_words_of_all_columns():
    assert SentenceEmbedding().corpus(toys.pair_table()).num_rows == 48


def test_a_pre_trained_base_is_changed_by_small_steps():
    small, large = (Card("toy", "text", "bert", width, pretrained=True) for width in (384, 768))
    pairs, scored = SentenceEmbedding(form="pairs"), SentenceEmbedding(form="scored-pairs")
    assert pairs.usual(5000, small) == {"learning_rate": 5e-5}
    assert pairs.usual(5000, large) == {"learning_rate": 1.25e-5}
    assert scored.usual(5000, small) == {"learning_rate": 5e-5, "batch_size": 32, "epochs": 4.0}
    assert scored.usual(100, small) == {"learning_rate": 5e-5}


def test_a_new_base_and_a_new_decoder_learn_as_usual():
    assert SentenceEmbedding().usual(5000, Card("toy", "text", "bert", 384, pretrained=False)) == {}
    rebuilt = SentenceEmbedding(form="texts", objective="tsdae")
    assert rebuilt.usual(5000, Card("toy", "text", "bert", 384, pretrained=True)) == {}
