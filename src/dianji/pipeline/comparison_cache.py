"""Reads the result of a comparison back from the store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dianji.comparison import Comparison, Difference, Recommendation, VariantCost, VariantResult
from dianji.errors import StoreError
from dianji.evaluate.metric import Estimate
from dianji.messages import Message
from dianji.pipeline.compare import digest_of
from dianji.pipeline.comparison_plan import ComparisonPlan
from dianji.store.steps import Store


def cached_comparison(planned: ComparisonPlan, store: Store) -> Comparison | None:
    """The stored result of ``compare`` for the same plan; None where the comparison has not been run.

    Raises:
        StoreError: the file is damaged.
    """
    path = store.comparison(digest_of(planned))
    if not path.exists():
        return None
    try:
        return _comparison(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(
            f"{path}: cannot be read as the result of a comparison ({error}). "
            "Run dianji compare again: it reuses the finished steps and writes the file anew."
        ) from error


def _comparison(found: Mapping[str, Any]) -> Comparison:
    recommended = found["recommendation"]
    changes = {
        "seeds": tuple(found["seeds"]),
        "variants": tuple(_variant(variant) for variant in found["variants"]),
        "recommendation": recommended and _recommendation(recommended),
        "notes": tuple(Message.parse(note) for note in found["notes"]),
    }
    return Comparison(**{**found, **changes})


def _recommendation(found: Mapping[str, Any]) -> Recommendation:
    message, rule = Message.parse(found["message"]), Message.parse(found["rule"])
    return Recommendation(found["variant"], Path(found["artefact"]), message, rule)


def _variant(found: Mapping[str, Any]) -> VariantResult:
    changes = {
        "steps": tuple(found["steps"]),
        "artefacts": tuple(Path(path) for path in found["artefacts"]),
        "score": found["score"] and Estimate(**found["score"]),
        "values": tuple(found["values"]),
        "cost": found["cost"] and VariantCost(**found["cost"]),
        "against_first": found["against_first"] and _difference(found["against_first"]),
        "against_best": found["against_best"] and _difference(found["against_best"]),
    }
    return VariantResult(**{**found, **changes})


def _difference(found: Mapping[str, Any]) -> Difference:
    return Difference(**{**found, "difference": Estimate(**found["difference"])})
