import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import (
    AutoModelForSeq2SeqLM,
    BartConfig,
    BartForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    T5Config,
    T5ForConditionalGeneration,
)

from dianji.bases.base import Base
from dianji.bases.folder import FolderBase
from dianji.engine.evaluation import Evaluator
from dianji.errors import BaseError, CapabilityError, DataError
from dianji.evaluate.generated import Generated
from dianji.evaluate.modelled import Modelled
from dianji.tasks import _pairs
from dianji.tasks.text_to_text import TextToText
from dianji.tasks.truncation import truncation
from dianji.testing import toys

SIDES: dict[str, Any] = {
    f"{side}_{name}": value
    for side in ("encoder", "decoder")
    for name, value in (("layers", 2), ("attention_heads", 2), ("ffn_dim", 32))
}


def sized(base: Base) -> dict[str, Any]:
    tokenizer = base.processor
    return {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}


def t5(base):
    start: dict[str, Any] = {"decoder_start_token_id": 0}  # T5Config takes it without naming it
    return T5ForConditionalGeneration(
        T5Config(**sized(base), **start, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2,
                 eos_token_id=3, dropout_rate=0.0)
    )  # fmt: skip


def bart(base):
    return BartForConditionalGeneration(
        BartConfig(**sized(base), d_model=16, **SIDES, bos_token_id=2, eos_token_id=3, decoder_start_token_id=3,
                   forced_eos_token_id=3, max_position_embeddings=64, dropout=0.0)
    )  # fmt: skip


def marian(base):
    """Its padding begins targets and is never written, as in the models of OPUS-MT."""
    model = MarianMTModel(
        MarianConfig(**sized(base), decoder_vocab_size=len(base.processor), d_model=16, **SIDES, eos_token_id=3,
                     decoder_start_token_id=0, forced_eos_token_id=3, max_position_embeddings=64, dropout=0.0)
    )  # fmt: skip
    model.generation_config.update(bad_words_ids=[[0]])
    return model


def saved(folder: Path, make) -> Base:
    torch.manual_seed(0)
    base = toys.seq2seq_base()
    make(base).save_pretrained(folder)
    base.processor.save_pretrained(folder)
    return FolderBase(folder).prepare(toys.pairs_table())


def batch(task, base, table, purpose="score"):
    return task.collate(task.encode(table, base), base, np.random.default_rng(0), purpose=purpose)


def fitted(**arguments) -> TextToText:
    return TextToText(**arguments).fit(toys.pairs_table())


@pytest.mark.parametrize("make", [t5, bart, marian])
def test_folders_of_known_shapes_learn_write_and_open_again(make, tmp_path):
    base, table = saved(tmp_path / "before", make), toys.pairs_table()
    assert base.card.modality == "text"
    task = fitted(beams=2, new_tokens=10)
    model = task.model(base)
    assert not base.new_weights
    learning = batch(task, base, table)
    optimizer = torch.optim.Adam(model.model.parameters(), lr=0.01)
    losses = []
    for _ in range(20):
        loss = task.loss(model.model, learning).value
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.9 * losses[0]
    outputs = task.outputs(model.model, batch(task, base, table, "predict"))
    model.model.save_pretrained(tmp_path / "after")
    base.processor.save_pretrained(tmp_path / "after")
    opened = FolderBase(tmp_path / "after").prepare(table)
    again = task.model(opened)
    opened.require_complete()
    assert np.array_equal(
        task.outputs(again.model, batch(task, opened, table, "predict"))["written"], outputs["written"]
    )


@pytest.mark.parametrize("make", [t5, bart, marian])
@pytest.mark.parametrize("beams", [1, 3])
def test_a_saved_folder_generates_the_same_by_transformers_alone(make, beams, tmp_path):
    base, table = saved(tmp_path / "before", make), toys.pairs_table()
    task = fitted(beams=beams, new_tokens=10)
    model = task.model(base).model
    predicted = batch(task, base, table, "predict")
    ours = task.outputs(model, predicted)["written"]
    model.save_pretrained(tmp_path / "after")
    opened = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "after").eval()
    with torch.inference_mode():
        theirs = opened.generate(input_ids=predicted["input_ids"], attention_mask=predicted["attention_mask"])
    assert rows_of(ours) == [before_end(row) for row in theirs[:, 1:].tolist()]


def rows_of(written):
    return [[token for token in row if token >= 0] for row in written.tolist()]


def before_end(row, end=3):
    return row[: row.index(end)] if end in row else row


def test_the_end_is_learnt_also_where_it_pads():
    base = toys.seq2seq_base()
    pads = replace(base, config=type(base.config)(**{**base.config.to_dict(), "pad_token_id": 3}))
    pads.processor.pad_token, before = pads.processor.eos_token, pads.processor.pad_token
    try:
        table = pa.table({"text": ["where is my card", "cash"], "target": ["card my is where", "cash"]})
        labels = batch(fitted(), pads, table)["labels"]
    finally:
        pads.processor.pad_token = before
    assert labels[:, 0].ne(-100).all()
    for row in labels.tolist():
        tokens = [token for token in row if token != -100]
        assert tokens[-1] == 3
        assert tokens.count(3) == 1


def test_the_decoder_sees_the_token_before_the_one_it_predicts():
    found = batch(fitted(), toys.seq2seq_base(), toys.pairs_table())
    labels, before = found["labels"], found["decoder_input_ids"]
    assert before[:, 0].eq(2).all()
    assert torch.equal(before[:, 1:][labels[:, 1:] != -100], labels[:, :-1][labels[:, 1:] != -100])


def test_smoothed_labels_are_spread_over_the_vocabulary_and_scores_are_plain():
    base, table = toys.seq2seq_base(), toys.pairs_table()
    plain, smooth = fitted(label_smoothing=0.0), fitted(label_smoothing=0.3)
    torch.manual_seed(0)
    model, examples = plain.model(base).model, batch(plain, base, table)
    scored = plain.outputs(model, examples)
    mean = scored["nll"].sum() / scored["tokens"].sum()
    assert plain.loss(model, examples).value.item() == pytest.approx(mean, rel=1e-5)
    logits = model(**smooth.model_inputs(examples)).logits[examples["labels"] != -100]
    uniform = -logits.log_softmax(dim=-1).mean(dim=-1).mean().item()
    assert smooth.loss(model, examples).value.item() == pytest.approx(0.7 * mean + 0.3 * uniform, rel=1e-5)
    assert smooth.outputs(model, examples)["nll"].sum() == scored["nll"].sum()


def test_a_prefix_is_read_before_every_source():
    base, table = toys.seq2seq_base(), toys.pairs_table()
    whole = fitted(prefix="please: ").encode(table, base)["input_ids"].to_pylist()
    assert whole == base.processor([f"please: {text}" for text in table["text"].to_pylist()])["input_ids"]


def test_special_tokens_that_are_spelled_out_are_text():
    base, task = toys.seq2seq_base(), fitted()
    table = pa.table({"text": ["my [SEP] card [PAD]"], "target": ["card [SEP] my"]})
    examples = task.encode(table, base)
    (source,), (target,) = examples["input_ids"].to_pylist(), examples["target_ids"].to_pylist()
    assert [source.count(token) for token in (0, 2, 3)] == [0, 0, 1]
    assert [target.count(token) for token in (0, 2, 3)] == [0, 0, 1]
    assert task.predictions({"written": np.array([target[:-1]])}, table, base)[0].generated == "card [SEP] my"


def test_rows_that_are_cut_are_counted_and_keep_their_end():
    base = toys.seq2seq_base()
    table = pa.table({"text": ["where is my card please", "cash"], "target": ["cash", "card my is where " * 3]})
    examples = fitted(length=4, target_length=6).encode(table, base)
    assert [len(ids) for ids in examples["input_ids"].to_pylist()] == [4, 2]
    assert [ids[-1] for ids in examples["target_ids"].to_pylist()] == [3, 3]
    assert [len(ids) for ids in examples["target_ids"].to_pylist()] == [2, 6]
    found = truncation(examples)
    assert (found.rows, found.of) == (2, 2)


def test_the_length_of_what_is_written_follows_from_the_targets_of_training():
    base, task = toys.seq2seq_base(), fitted()
    longest = max(len(text) for text in toys.pairs_table()["target"].to_pylist())
    assert task.longest == longest
    assert batch(task, base, toys.pairs_table(), "predict")["wanted"]["limit"] == longest + 1
    assert task.model(base).model.generation_config.max_length == longest + 2
    chinese = pa.table({"text": ["卡"], "target": ["我的卡在哪里"]})
    assert TextToText().fit(chinese).longest == 18


def test_the_length_is_never_more_than_the_base_takes():
    base = toys.seq2seq_base()
    table = pa.table({"text": ["a"], "target": ["word " * 100]})
    assert batch(TextToText().fit(table), base, table, "predict")["wanted"]["limit"] == 63


def test_texts_that_do_not_end_are_said_to_be_incomplete():
    base, table = toys.seq2seq_base(), toys.pairs_table()
    outputs = {"written": np.array([[5, 6, 7], [5, -1, -1]])}
    found = fitted().predictions(outputs, table.slice(0, 2), base)
    assert [of.complete for of in found] == [False, True]
    assert found[0].to_json() == {"generated": base.processor.decode([5, 6, 7]).strip(), "complete": False}


def test_scores_are_cheap_and_predictions_are_written():
    base, task, table = toys.seq2seq_base(), fitted(new_tokens=5), toys.pairs_table()
    evaluator = Evaluator(task, task.model(base).model, base, 0)
    examples = task.encode(table, base)
    assert isinstance(evaluator.outcome(examples, "score"), Modelled)
    outcome = evaluator.outcome(examples, "predict")
    assert isinstance(outcome, Generated)
    assert outcome.texts[1] == table["target"].to_pylist()


def test_beams_and_draws_exclude_each_other():
    with pytest.raises(CapabilityError, match="temperature 0"):
        fitted(beams=3, temperature=0.5).model(toys.seq2seq_base())
    assert fitted().decoding.beams == 4
    assert fitted(temperature=0.5).decoding.beams == 1


def test_faults_of_tables_are_told():
    with pytest.raises(DataError, match="no rows"):
        TextToText().fit(toys.pairs_table().slice(0, 0))
    with pytest.raises(DataError, match="all 2 targets"):
        TextToText().fit(pa.table({"text": ["a", "b"], "target": ["", ""]}))
    with pytest.raises(DataError, match="row 2: column 'target' is null"):
        TextToText().fit(pa.table({"text": ["a", "b"], "target": pa.array(["x", None])}))


def test_empty_sources_and_targets_are_texts():
    base, task = toys.seq2seq_base(), fitted(new_tokens=5)
    table = pa.table({"text": ["", "card"], "target": ["cash", ""]})
    examples = task.encode(table, base)
    assert examples["target_ids"].to_pylist()[1] == [3]
    assert task.outputs(task.model(base).model, batch(task, base, table, "predict"))["written"].shape == (2, 5)


def test_a_length_that_leaves_no_room_is_refused():
    with pytest.raises(CapabilityError, match="length 1 does not fit"):
        fitted(length=1).encode(toys.pairs_table(), toys.seq2seq_base())


def test_a_base_that_does_not_say_how_targets_begin_is_refused():
    base = toys.seq2seq_base()
    nothing = type(base.config)(**{**base.config.to_dict(), "decoder_start_token_id": None, "bos_token_id": None})
    with pytest.raises(BaseError, match="no decoder_start_token_id"):
        _pairs.Marks.of(replace(base, config=nothing))


def test_an_encoder_is_no_base_for_it():
    with pytest.raises(CapabilityError, match="AutoModelForSeq2SeqLM"):
        fitted().model(toys.text_base())


def test_banned_sequences_are_refused(tmp_path):
    base = saved(tmp_path, marian)
    settings = json.loads((tmp_path / "generation_config.json").read_text())
    assert _pairs.Marks.of(base).banned == (0,)
    (tmp_path / "generation_config.json").write_text(json.dumps({**settings, "bad_words_ids": [[4, 5]]}))
    with pytest.raises(CapabilityError, match="bad_words_ids"):
        _pairs.Marks.of(base)
