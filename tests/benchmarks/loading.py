"""Modules of ``benchmarks``, which are scripts and no package that is installed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def load(name: str) -> Any:
    """``suite.targets``, ``speed`` …"""
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))
