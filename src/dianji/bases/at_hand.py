"""Which pre-trained bases this machine has: registered ones, and what the Hugging Face cache holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from huggingface_hub import CachedRepoInfo, constants, scan_cache_dir
from huggingface_hub.errors import CacheNotFound

from dianji.bases.base import BaseSource, Card, Modality
from dianji.bases.cards import read_card
from dianji.errors import BaseError, CapabilityError
from dianji.registry import REGISTRY


@dataclass(frozen=True)
class Found:
    """A base that can be used, or the reason why it cannot be."""

    spec: str  # as a recipe names it
    card: Card | None
    obstacle: str = ""


def at_hand(modality: Modality) -> list[Found]:
    """Pre-trained bases for ``modality``; nothing is downloaded. One that is there but cannot be used says why."""
    found = [*_registered(), *_downloaded()]
    return [base for base in found if base.card is None or base.card.offers(modality)]


def _registered() -> Iterator[Found]:
    for name in sorted(REGISTRY.names("base")):
        source: BaseSource = REGISTRY.build("base", name, {})
        try:
            yield Found(name, source.card())
        except (BaseError, CapabilityError) as error:
            yield Found(name, None, str(error))


def _downloaded() -> Iterator[Found]:
    try:
        cache = scan_cache_dir(constants.HF_HUB_CACHE)
    except (CacheNotFound, ValueError):  # there is none, or a file is in its place
        return
    for repo in sorted(cache.repos, key=lambda repo: repo.repo_id):
        if repo.repo_type == "model" and repo.revisions:
            yield _in_cache(repo)


def _in_cache(repo: CachedRepoInfo) -> Found:
    newest = max(repo.revisions, key=lambda revision: revision.last_modified)
    try:
        card = read_card(newest.snapshot_path)
    except BaseError as error:
        return Found(repo.repo_id, None, str(error))
    return Found(repo.repo_id, replace(card, name=repo.repo_id, source=card.source or repo.repo_id))
