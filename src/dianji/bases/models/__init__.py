"""Architectures of our own. Importing this package registers them with transformers' Auto classes."""

from __future__ import annotations

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageClassification,
    AutoModelForMaskedLM,
)

from dianji.bases.models.cnn import CnnConfig, CnnForCausalLM, CnnForMaskedLM, CnnModel
from dianji.bases.models.image_cnn import ImageCnnConfig, ImageCnnForImageClassification, ImageCnnModel
from dianji.bases.models.lstm import LstmConfig, LstmForCausalLM, LstmForMaskedLM, LstmModel

__all__ = [
    "CnnConfig",
    "CnnForCausalLM",
    "CnnForMaskedLM",
    "CnnModel",
    "ImageCnnConfig",
    "ImageCnnForImageClassification",
    "ImageCnnModel",
    "LstmConfig",
    "LstmForCausalLM",
    "LstmForMaskedLM",
    "LstmModel",
]

for config in (LstmConfig, CnnConfig, ImageCnnConfig):
    AutoConfig.register(config.model_type, config, exist_ok=True)
for auto, models in {
    AutoModel: (LstmModel, CnnModel, ImageCnnModel),
    AutoModelForMaskedLM: (LstmForMaskedLM, CnnForMaskedLM),
    AutoModelForCausalLM: (LstmForCausalLM, CnnForCausalLM),
    AutoModelForImageClassification: (ImageCnnForImageClassification,),
}.items():
    for model in models:
        auto.register(model.config_class, model, exist_ok=True)
