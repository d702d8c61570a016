"""Bases that read something else than text, or several things."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForImageClassification,
    AutoModelForObjectDetection,
    AutoModelForSpeechSeq2Seq,
    BartConfig,
    CLIPModel,
    DetrConfig,
    PretrainedConfig,
    ResNetConfig,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    WhisperConfig,
    WhisperFeatureExtractor,
)

from dianji.bases.checks import require_modality
from dianji.bases.folder import FolderBase
from dianji.bases.modalities import modality_of, towers
from dianji.bases.resolve import resolve
from dianji.errors import RecipeError
from dianji.testing import families, toys

SMALL: dict[str, Any] = {
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return families.write(families.clip(), tmp_path_factory.mktemp("bases") / "clip")


def whisper():
    return WhisperConfig(
        **SMALL,
        d_model=16,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        vocab_size=20,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        max_source_positions=50,
        num_mel_bins=8,
    )


def detr():
    backbone = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    return DetrConfig(
        **SMALL,
        d_model=16,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_queries=5,
        backbone_config=backbone,
    )


def test_clip_reads_images_and_its_text_tower_reads_texts(clip):
    whole, text = FolderBase(clip).card(), FolderBase(clip, "text").card()
    assert (whole.modality, whole.modalities, whole.architecture) == ("image", ("text",), "clip")
    assert whole.processor == "image-processor"
    assert (text.modality, text.modalities, text.architecture) == ("text", ("image",), "clip_text_model")
    assert text.processor == "tokenizer"


def test_the_text_tower_computes_what_it_does_inside_clip(clip):
    base = resolve(str(clip), "text").prepare(toys.text_table())
    inputs = base.processor(["a card", "the refund is late"], padding=True, return_tensors="pt")
    inputs = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        alone = base.load(AutoModel)(**inputs)[0]
        inside = CLIPModel.from_pretrained(clip).text_model(**inputs)[0]
    base.require_complete()
    assert torch.equal(alone, inside)


def test_an_image_classifier_of_clip_has_no_text_tower(clip, tmp_path):
    base = FolderBase(clip).prepare(toys.image_table())
    base.load(AutoModelForImageClassification).save_pretrained(tmp_path)
    base.save_processor(tmp_path)
    assert FolderBase(tmp_path, "text").card().modalities == ()


def test_a_base_that_offers_no_such_modality_is_refused(clip):
    card = FolderBase(clip, "audio").card()
    with pytest.raises(RecipeError, match=r"works on sound, but base 'clip' .* was made for images"):
        require_modality(card, "audio", "speech")


def test_detr_is_a_base_for_images(tmp_path):
    torch.manual_seed(0)
    AutoModelForObjectDetection.from_config(detr()).save_pretrained(tmp_path)
    toys.image_base().processor.save_pretrained(tmp_path)
    base = FolderBase(tmp_path).prepare(toys.image_table())
    assert (base.card.modality, base.card.architecture, base.card.width) == ("image", "detr", 16)
    base.load(AutoModelForObjectDetection)
    base.require_complete()


def test_whisper_is_a_base_for_sound_and_not_for_texts(tmp_path):
    torch.manual_seed(0)
    AutoModelForSpeechSeq2Seq.from_config(whisper()).save_pretrained(tmp_path)
    WhisperFeatureExtractor(feature_size=8).save_pretrained(tmp_path)
    base = FolderBase(tmp_path, "text").prepare(toys.text_table())
    assert (base.card.modality, base.card.modalities, base.card.width) == ("audio", (), 16)
    base.load(AutoModelForSpeechSeq2Seq)
    base.require_complete()


def test_wav2vec2_is_a_base_for_sound(tmp_path):
    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16,),
        conv_stride=(5,),
        conv_kernel=(10,),
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    base = FolderBase(tmp_path).prepare(toys.text_table())
    assert (base.card.modality, base.card.processor) == ("audio", "audio-processor")
    base.load(AutoModel)
    base.require_complete()


def test_a_configuration_that_declares_its_modality_is_believed():
    class Entities(PretrainedConfig):
        model_type = "entities"
        modality = "entity"

    assert modality_of(Entities()) == "entity"


def test_a_model_without_parts_has_no_towers():
    assert towers(BartConfig(), ["model.encoder.layers.0.fc1.weight"]) == {}
