from __future__ import annotations

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers import BertConfig

from dianji.bases.folder import FolderBase
from dianji.tasks.chain import keep_pooling
from dianji.tasks.masked_language import MaskedLanguage
from dianji.tasks.text_classification import TextClassification


def test_pooling_outlives_a_stage_of_language_modelling(bert, folders, questions):
    model = MaskedLanguage().model(bert).model
    folder = folders.save(model, bert.processor)
    assert FolderBase(folder).card().pooling == "native"
    keep_pooling(folder, bert)
    base = FolderBase(folder).prepare(questions)
    assert base.card.pooling == "mean"
    MaskedLanguage().model(base)
    base.require_complete()
    batch = bert.processor(["where is my card"], return_tensors="pt")
    with torch.no_grad():
        hidden = model.base_model(**batch)[0]
    said = SentenceTransformer(str(folder), device="cpu", local_files_only=True).encode(["where is my card"])
    np.testing.assert_allclose(said, hidden.mean(dim=1).numpy(), atol=1e-6)


def test_a_chain_that_is_there_is_left_alone(bert, folders, questions):
    task = TextClassification(pooling="first").fit(questions)
    folder = folders.save(task.model(bert).model, bert.processor)
    before = (folder / "modules.json").read_bytes(), (folder / "1_Pooling" / "config.json").read_bytes()
    keep_pooling(folder, bert)
    assert before == ((folder / "modules.json").read_bytes(), (folder / "1_Pooling" / "config.json").read_bytes())


def test_nothing_is_said_where_the_architecture_decides(toy, folders):
    base = toy(BertConfig, "native")
    folder = folders.save(MaskedLanguage().model(base).model, base.processor)
    keep_pooling(folder, base)
    assert not (folder / "modules.json").exists()
