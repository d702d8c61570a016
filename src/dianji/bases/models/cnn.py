"""``dianji-cnn``: gated residual convolutions over tokens (Dauphin et al., 2017, arXiv:1612.08083).

Dilation doubles from layer to layer (Kalchbrenner et al., 2016, arXiv:1610.10099), so that four layers with a kernel of
five see 61 tokens.
"""

# mypy: allow-untyped-calls
# (transformers leaves post_init, _init_weights and __init_subclass__ unannotated)

from __future__ import annotations

from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional
from transformers import PretrainedConfig
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils.generic import can_return_tuple

from dianji.bases.models._language import CausalLanguageModel, MaskedLanguageModel, TextModel, valid_positions


@strict
class CnnConfig(PretrainedConfig):
    """With ``is_decoder`` a position sees those before it only."""

    model_type = "dianji-cnn"

    vocab_size: int = 8000
    hidden_size: int = 256
    num_hidden_layers: int = 4
    kernel_size: int = 5
    hidden_dropout_prob: float | int = 0.1
    max_position_embeddings: int = 512
    initializer_range: float = 0.02
    pad_token_id: int | None = 0
    is_decoder: bool = False
    tie_word_embeddings: bool = True


class CnnModel(TextModel):
    """Tokens to hidden states. Padding counts as nothing, exactly as what lies beyond the ends of a text."""

    config_class = CnnConfig

    def __init__(self, config: CnnConfig) -> None:
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id)
        self.layers = nn.ModuleList(CnnLayer(config, 2**number) for number in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(config.hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.post_init()

    @can_return_tuple  # type: ignore[untyped-decorator]  # sentence-transformers asks for tuples and the like
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> BaseModelOutput:
        """(batch, time) -> last_hidden_state (batch, time, width), zero at padding."""
        hidden = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        valid = valid_positions(hidden, attention_mask).unsqueeze(-1)
        hidden = self.dropout(hidden)
        for layer in self.layers:
            hidden = layer(hidden, valid)
        return BaseModelOutput(last_hidden_state=self.norm(hidden) * valid)


class CnnLayer(GradientCheckpointingLayer):
    """norm -> convolution -> gated linear unit -> dropout, added to the input."""

    def __init__(self, config: CnnConfig, dilation: int) -> None:
        super().__init__()
        reach = (config.kernel_size - 1) * dilation
        self.padding = (reach, 0) if config.is_decoder else (reach // 2, reach - reach // 2)
        self.norm = nn.LayerNorm(config.hidden_size)
        self.convolution = nn.Conv1d(config.hidden_size, 2 * config.hidden_size, config.kernel_size, dilation=dilation)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden: Tensor, valid: Tensor) -> Tensor:
        """``hidden`` (batch, time, width), ``valid`` (batch, time, 1)."""
        inner = (self.norm(hidden) * valid).transpose(1, 2)
        inner = self.convolution(functional.pad(inner, self.padding)).transpose(1, 2)
        added: Tensor = self.dropout(functional.glu(inner, dim=-1))
        return hidden + added


class CnnForMaskedLM(MaskedLanguageModel):
    """Fills gaps."""

    config_class = CnnConfig
    backbone = CnnModel


class CnnForCausalLM(CausalLanguageModel):
    """Goes on with a text."""

    config_class = CnnConfig
    backbone = CnnModel
