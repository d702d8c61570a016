"""``dianji-lstm``: a bidirectional LSTM over tokens (Hochreiter & Schmidhuber, 1997; Graves & Schmidhuber, 2005)."""

# mypy: allow-untyped-calls
# (transformers leaves post_init, _init_weights and __init_subclass__ unannotated)

from __future__ import annotations

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PretrainedConfig
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils.generic import can_return_tuple

from dianji.bases.models._language import CausalLanguageModel, MaskedLanguageModel, TextModel, valid_positions


@strict
class LstmConfig(PretrainedConfig):
    """``hidden_size`` is shared by both directions; with ``is_decoder`` there is one, from left to right."""

    model_type = "dianji-lstm"

    vocab_size: int = 8000
    hidden_size: int = 256
    num_hidden_layers: int = 2
    hidden_dropout_prob: float | int = 0.1
    max_position_embeddings: int = 512
    initializer_range: float = 0.02
    pad_token_id: int | None = 0
    is_decoder: bool = False
    tie_word_embeddings: bool = True


class LstmModel(TextModel):
    """Tokens to hidden states. Padding never changes the states of other positions."""

    config_class = LstmConfig

    def __init__(self, config: LstmConfig) -> None:
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id)
        self.layers = nn.ModuleList(LstmLayer(config) for _ in range(config.num_hidden_layers))
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
        valid = valid_positions(hidden, attention_mask)
        # Valid positions to the front, whichever side the padding is on: a forward LSTM then never meets padding first.
        order = torch.argsort(~valid, dim=1, stable=True)
        hidden = _reorder(self.dropout(hidden), order)
        backwards = _backwards(valid.sum(dim=1), valid.shape[1])
        for layer in self.layers:
            hidden = layer(hidden, backwards)
        hidden = _reorder(self.norm(hidden), torch.argsort(order, dim=1))
        return BaseModelOutput(last_hidden_state=hidden * valid.unsqueeze(-1))


class LstmLayer(GradientCheckpointingLayer):
    """norm -> LSTM in one or two directions -> dropout, added to the input."""

    def __init__(self, config: LstmConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.hidden_size)
        width = config.hidden_size if config.is_decoder else config.hidden_size // 2
        self.forward_lstm = nn.LSTM(config.hidden_size, width, batch_first=True)
        self.backward_lstm = None if config.is_decoder else nn.LSTM(config.hidden_size, width, batch_first=True)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden: Tensor, backwards: Tensor) -> Tensor:
        """``backwards`` (batch, time): each row's valid positions from last to first, then its padding."""
        inner = self.norm(hidden)
        output = self.forward_lstm(inner)[0]
        if self.backward_lstm is not None:
            reverse = _reorder(self.backward_lstm(_reorder(inner, backwards))[0], backwards)
            output = torch.cat([output, reverse], dim=-1)
        added: Tensor = self.dropout(output)
        return hidden + added


def _backwards(lengths: Tensor, time: int) -> Tensor:
    """(batch, time) positions that reverse the first ``lengths`` of a row; its own inverse."""
    position = torch.arange(time, device=lengths.device).expand(len(lengths), time)
    last = lengths.unsqueeze(1) - 1
    return torch.where(position <= last, last - position, position)


def _reorder(hidden: Tensor, order: Tensor) -> Tensor:
    return hidden.gather(1, order.unsqueeze(-1).expand_as(hidden))


class LstmForMaskedLM(MaskedLanguageModel):
    """Fills gaps."""

    config_class = LstmConfig
    backbone = LstmModel


class LstmForCausalLM(CausalLanguageModel):
    """Goes on with a text."""

    config_class = LstmConfig
    backbone = LstmModel
