from typing import ClassVar

from dianji.techniques.early_stopping import EarlyStopping
from dianji.techniques.ema import Ema
from dianji.testing.technique import TechniqueContract


class TestEarlyStopping(TechniqueContract):
    component = EarlyStopping


class TestImpatientEarlyStopping(TechniqueContract):
    component = EarlyStopping
    arguments: ClassVar = {"patience": 1, "minimum_delta": 0.05}


class TestEma(TechniqueContract):
    component = Ema


class TestQuickEma(TechniqueContract):
    component = Ema
    arguments: ClassVar = {"decay": 0.5}
