"""Another ``forward`` for layers of a model, for the thread that asks for it.

Threads share a model, and one may ask for fast layers while another uses the plain ones, or both for fast layers of
their own: each then has its own state of a forward pass. So what is put into a layer for all threads only looks up
which form the thread that calls it has chosen.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

#: Takes the place of a layer's ``forward``.
Forward = Callable[..., Any]

_LOCK = threading.Lock()  # while a layer gets its switch, or loses it


class Passing(ABC):
    """A fast form of an encoder layer, which may leave rows packed for the next."""

    @abstractmethod
    def __call__(self, hidden_states: Tensor, attention_mask: Tensor | None = None, *_: Any, **options: Any) -> Tensor:
        """The layer's states."""


class _Forms(threading.local):
    """The forms that this thread has chosen."""

    def __init__(self) -> None:
        self.of: Mapping[nn.Module, Forward] = {}


_FORMS = _Forms()


class _Switch:
    """Stands in a layer for its ``forward`` as long as any thread has a form for it."""

    def __init__(self, layer: nn.Module) -> None:
        self.layer, self.users = layer, 0

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # torch's
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        form = _FORMS.of.get(self.layer)
        if form is None:
            return type(self.layer).forward(self.layer, *arguments, **options)
        return form(*arguments, **options)


@contextmanager
def patched(forms: Mapping[nn.Module, Forward]) -> Iterator[None]:
    """Inside, and in this thread, layers compute these forms.

    A layer whose ``forward`` was replaced by somebody else, because its answer is known already, is left alone; so is
    one that has a form of this thread.
    """
    before = _FORMS.of
    mine, switches = {}, []
    with _LOCK:
        for layer, form in forms.items():
            standing = vars(layer).get("forward")
            if standing is None:
                standing = layer.forward = _Switch(layer)
            elif not isinstance(standing, _Switch) or layer in before:
                continue
            standing.users += 1
            switches.append(standing)
            mine[layer] = form
    _FORMS.of = {**before, **mine}
    try:
        yield
    finally:
        _FORMS.of = before
        with _LOCK:
            for switch in switches:
                switch.users -= 1
                if switch.users == 0 and vars(switch.layer).get("forward") is switch:
                    del switch.layer.forward


def passes(layer: nn.Module) -> bool:
    """Whether this thread's form of a layer takes rows as the fast layer before leaves them."""
    return isinstance(vars(layer).get("forward"), _Switch) and isinstance(_FORMS.of.get(layer), Passing)
