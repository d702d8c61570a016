from __future__ import annotations

import json

import pytest

from dianji.bases.cards import read_card
from dianji.errors import BaseError


def test_the_card_of_an_encoder(encoder):
    card = read_card(encoder)
    assert (card.name, card.modality, card.architecture, card.width) == ("toy-encoder", "text", "bert", 16)
    assert card.pretrained
    assert (card.pooling, card.licence, card.languages, card.labels) == ("native", "unknown", (), ())


def test_the_labels_of_a_classifier(saved_classifier):
    assert read_card(saved_classifier).labels == ("lost", "pay", "other")


def test_licence_languages_and_source_come_from_the_readme(encoder):
    (encoder / "README.md").write_text(
        "---\nlicense: mit\nlanguage:\n- en\n- zh\nbase_model: org/name\n---\n# Title\n---\nlicense: other\n"
    )
    card = read_card(encoder)
    assert (card.licence, card.languages, card.source) == ("mit", ("en", "zh"), "org/name")


@pytest.mark.parametrize(
    "readme", ["", "# no front matter", "---\nlicense: mit", "---\n: [\n---\n", "---\njust text\n---\n"]
)
def test_a_readme_without_front_matter_is_no_fault(encoder, readme):
    (encoder / "README.md").write_text(readme)
    assert read_card(encoder).licence == "unknown"


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode": "mean"}, "mean"),
        ({"pooling_mode": "cls"}, "first"),
        ({"pooling_mode": "max"}, "native"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}, "first"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, "native"),
        ({"pooling_mode": ["mean", "cls"]}, "native"),
    ],
)
def test_pooling_comes_from_the_module_chain(encoder, config, pooling):
    (encoder / "modules.json").write_text("[]")
    (encoder / "1_Pooling").mkdir()
    (encoder / "1_Pooling" / "config.json").write_text(json.dumps(config))
    assert read_card(encoder).pooling == pooling


def test_an_impossible_value_is_told(encoder):
    config = json.loads((encoder / "config.json").read_text())
    (encoder / "config.json").write_text(json.dumps({**config, "hidden_size": "wide"}))
    with pytest.raises(BaseError, match=r"config\.json: transformers cannot use this configuration: .*hidden_size"):
        read_card(encoder)


def test_an_architecture_that_reads_what_no_processor_makes_is_refused(encoder):
    (encoder / "config.json").write_text(json.dumps({"model_type": "time_series_transformer", "prediction_length": 2}))
    with pytest.raises(BaseError, match=r"reads 'time', for which no processor.*processors for audio, image, text"):
        read_card(encoder)


def test_an_architecture_of_which_nothing_says_what_it_reads_is_refused(encoder):
    (encoder / "config.json").write_text(json.dumps({"model_type": "siglip_text_model"}))
    with pytest.raises(BaseError, match=r"does not say what the architecture 'siglip_text_model' reads"):
        read_card(encoder)
