"""The values that the steps of running a stage hand on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from dianji.artefact.learnt import Learnt


@dataclass(frozen=True)
class Ready:
    """A stage ready to learn: the fitted task with its model, and every split as examples."""

    learnt: Learnt
    examples: Mapping[str, pa.Table]
    digests: Mapping[str, str]  # of the examples
