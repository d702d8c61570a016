"""Finds and deletes the dispensable parts of a store."""

from __future__ import annotations

from dianji.store import garbage
from dianji.store.garbage import Garbage
from dianji.store.steps import Store


def find_garbage(*, finished: bool = False, store: Store | None = None) -> Garbage:
    """Encoded sets, interrupted steps and leftovers, with their sizes; nothing is deleted.

    Args:
        finished: also finished steps that no other finished step starts from.
        store: default ``$DIANJI_HOME`` or ``.dianji``.
    """
    return garbage.find(store or Store.default(), finished=finished)


def delete_garbage(found: Garbage) -> Garbage:
    """Delete the items; a step that a process has resumed meanwhile is kept.

    Raises:
        StoreError: something cannot be deleted.
    """
    return garbage.delete(Store(found.home), found)
