"""``dianji-image-cnn``: a small residual network for images of 28 to 64 pixels (He et al., 2016, arXiv:1512.03385)."""

# mypy: allow-untyped-calls
# (transformers leaves post_init, _init_weights and __init_subclass__ unannotated)

from __future__ import annotations

from itertools import pairwise

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import (
    BaseModelOutputWithPoolingAndNoAttention,
    ImageClassifierOutputWithNoAttention,
)


@strict
class ImageCnnConfig(PretrainedConfig):
    """One stage per entry of ``hidden_sizes``; each but the first works at half the resolution of the one before.

    ``depth`` counts the residual layers of a stage. The first has none: at full resolution they cost as much as all the
    others together.
    """

    model_type = "dianji-image-cnn"

    num_channels: int = 3
    hidden_sizes: list[int] | tuple[int, ...] = (32, 64, 128)
    depth: int = 1
    classifier_dropout: float | int = 0.1

    @property
    def hidden_size(self) -> int:
        """Width of what is pooled."""
        return self.hidden_sizes[-1]


class ConvolutionLayer(nn.Module):
    """3×3 convolution, batch norm, ReLU."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
        self.normalization = nn.BatchNorm2d(outside)

    def forward(self, pixels: Tensor) -> Tensor:
        """(batch, inside, height, width) -> (batch, outside, height, width)."""
        return functional.relu(self.normalization(self.convolution(pixels)))


class ImageCnnStage(nn.Module):
    """Halve the resolution, widen, then ``depth`` layers that add to their input."""

    def __init__(self, inside: int, outside: int, depth: int, *, halve: bool) -> None:
        super().__init__()
        self.halve = halve
        self.widen = ConvolutionLayer(inside, outside)
        self.layers = nn.ModuleList(ConvolutionLayer(outside, outside) for _ in range(depth))

    def forward(self, pixels: Tensor) -> Tensor:
        """(batch, inside, height, width) -> (batch, outside, height or half, width or half)."""
        hidden: Tensor = self.widen(functional.max_pool2d(pixels, 2, ceil_mode=True) if self.halve else pixels)
        for layer in self.layers:
            hidden = hidden + layer(hidden)
        return hidden


class ImageCnnPreTrainedModel(PreTrainedModel):
    """First values of the weights, and names."""

    config_class = ImageCnnConfig
    base_model_prefix = "model"
    main_input_name = "pixel_values"
    input_modalities = "image"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Convolutions keep the variance of the gradient (He et al., 2015, arXiv:1502.01852)."""
        super()._init_weights(module)
        if isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class ImageCnnModel(ImageCnnPreTrainedModel):
    """Pixels to a map of features and their mean."""

    def __init__(self, config: ImageCnnConfig) -> None:
        super().__init__(config)
        widths = [config.num_channels, *config.hidden_sizes]
        self.stages = nn.ModuleList(
            ImageCnnStage(inside, outside, config.depth if number else 0, halve=number > 0)
            for number, (inside, outside) in enumerate(pairwise(widths))
        )
        self.post_init()

    def forward(self, pixel_values: Tensor) -> BaseModelOutputWithPoolingAndNoAttention:
        """(batch, channels, height, width) -> last_hidden_state (batch, width, …, …), pooler_output (batch, width)."""
        hidden = pixel_values
        for stage in self.stages:
            hidden = stage(hidden)
        return BaseModelOutputWithPoolingAndNoAttention(last_hidden_state=hidden, pooler_output=hidden.mean((2, 3)))


class ImageCnnForImageClassification(ImageCnnPreTrainedModel):
    """One label per image."""

    def __init__(self, config: ImageCnnConfig) -> None:
        super().__init__(config)
        self.model = ImageCnnModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(config.hidden_size, len(config.id2label or ()))
        self.post_init()

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None) -> ImageClassifierOutputWithNoAttention:
        """(batch, channels, height, width) -> logits (batch, labels); ``labels`` (batch,) class numbers."""
        pooled = self.model(pixel_values).pooler_output
        logits = self.classifier(self.dropout(pooled))
        loss = None if labels is None else functional.cross_entropy(logits.float(), labels)
        return ImageClassifierOutputWithNoAttention(loss=loss, logits=logits)
