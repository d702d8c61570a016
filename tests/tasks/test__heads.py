from __future__ import annotations

import pytest
from transformers import AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification, BertConfig, RobertaConfig

from dianji.errors import CapabilityError
from dianji.evaluate.baseline import Comparable
from dianji.tasks._heads import head_of, with_head
from dianji.tasks.answers import SeveralLabels
from dianji.tasks.base import Task, TaskModel
from dianji.tasks.causal_language import CausalLanguage
from dianji.tasks.image_classification import ImageClassification
from dianji.tasks.masked_language import MaskedLanguage
from dianji.tasks.text_classification import TextClassification


@pytest.mark.parametrize("kind", [BertConfig, RobertaConfig])
@pytest.mark.parametrize("auto", [AutoModelForMaskedLM, AutoModelForSequenceClassification])
def test_head_and_trunk_share_the_parameters_between_them(toy, kind, auto):
    made = with_head(auto.from_config(toy(kind).config))
    trunk = {id(parameter) for parameter in made.model.base_model.parameters()}
    for name, parameter in made.model.named_parameters():
        assert made.is_head(name) == (id(parameter) not in trunk), name
    assert any(made.is_head(name) for name, _ in made.model.named_parameters())


def test_a_model_without_a_trunk_is_refused(bert):
    with pytest.raises(CapabilityError, match="does not tell its backbone from its head"):
        head_of(AutoModel.from_config(bert.config))


def test_prefixes_end_at_a_dot(bert):
    made = TaskModel(AutoModel.from_config(bert.config), ("classifier",))
    assert made.is_head("classifier.weight")
    assert not made.is_head("classifier2.weight")


def test_label_names_count_the_classes():
    config = BertConfig(**SeveralLabels(("a", "b", "c")).configuration())
    assert config.num_labels == 3
    assert config.problem_type == "multi_label_classification"


def test_tasks_keep_the_protocol():
    tasks: list[Task] = [CausalLanguage(), MaskedLanguage()]
    classifiers = [TextClassification(), ImageClassification()]
    comparable: list[Comparable] = [*classifiers]
    assert len(comparable) == 2
    assert {task.modality for task in (*tasks, *classifiers)} == {"text", "image"}
