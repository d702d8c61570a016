"""What our text architectures share: weights' first values, and the two language-modelling heads."""

# mypy: allow-untyped-calls
# (transformers leaves post_init, _init_weights and __init_subclass__ unannotated)

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput, MaskedLMOutput


class TextModel(PreTrainedModel):
    """A backbone, or a head over one. The backbone's parameters are named ``model.…`` inside a head."""

    base_model_prefix = "model"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """As transformers does, but LSTMs begin with orthogonal recurrences and forget nothing at first.

        (Saxe et al., 2014, arXiv:1312.6120; Jozefowicz et al., 2015.) Convolutions keep the variance of their input.
        """
        super()._init_weights(module)
        if isinstance(module, nn.LSTM):
            recurrence, bias = module.get_parameter("weight_hh_l0"), module.get_parameter("bias_ih_l0")
            init.orthogonal_(recurrence)
            if not getattr(bias, "_is_hf_initialized", False):
                bias[module.hidden_size : 2 * module.hidden_size] = 1.0
        elif isinstance(module, nn.Conv1d):
            init.kaiming_normal_(module.weight, nonlinearity="linear")


def valid_positions(hidden: Tensor, attention_mask: Tensor | None) -> Tensor:
    """(batch, time) bool; all of them where no mask is given. ``hidden`` is (batch, time, width)."""
    if attention_mask is None:
        return torch.ones(hidden.shape[:2], dtype=torch.bool, device=hidden.device)
    return attention_mask.bool()


class VocabularyHead(nn.Module):
    """(batch, time, width) -> (batch, time, vocabulary): BERT's head, its matrix tied to the embeddings."""

    def __init__(self, config: PretrainedConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size)
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size)

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.decoder(self.norm(functional.gelu(self.dense(hidden))))
        return logits


class LanguageModel(TextModel):
    """A backbone under a vocabulary head."""

    backbone: ClassVar[type[TextModel]]

    _tied_weights_keys = {"head.decoder.weight": "model.embed_tokens.weight"}  # noqa: RUF012  # transformers' own form

    def __init__(self, config: PretrainedConfig) -> None:
        super().__init__(config)
        self.model = self.backbone(config)
        self.head = VocabularyHead(config)
        self.post_init()

    def get_output_embeddings(self) -> nn.Module:
        """The matrix that is tied to the embeddings."""
        return self.head.decoder

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        """For a vocabulary of another size."""
        self.head.decoder = new_embeddings

    def logits(self, input_ids: Tensor | None, attention_mask: Tensor | None, inputs_embeds: Tensor | None) -> Tensor:
        """(batch, time, vocabulary)."""
        output: BaseModelOutput = self.model(input_ids, attention_mask, inputs_embeds)
        logits: Tensor = self.head(output.last_hidden_state)
        return logits


class MaskedLanguageModel(LanguageModel):
    """Every position is predicted from both sides."""

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> MaskedLMOutput:
        """``labels`` (batch, time): -100 where nothing is asked."""
        logits = self.logits(input_ids, attention_mask, inputs_embeds)
        return MaskedLMOutput(loss=_loss(logits, labels), logits=logits)


class CausalLanguageModel(LanguageModel):
    """Every position is predicted from those before it."""

    def __init__(self, config: PretrainedConfig) -> None:
        config.is_decoder = True  # a causal model that sees what comes next is never what is meant
        super().__init__(config)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> CausalLMOutput:
        """``labels`` (batch, time) as ``input_ids``; they are shifted here. -100 where nothing is asked."""
        logits = self.logits(input_ids, attention_mask, inputs_embeds)
        loss = None if labels is None else _loss(logits[:, :-1], labels[:, 1:])
        return CausalLMOutput(loss=loss, logits=logits)


def _loss(logits: Tensor, labels: Tensor | None) -> Tensor | None:
    if labels is None:
        return None
    return functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=-100)
