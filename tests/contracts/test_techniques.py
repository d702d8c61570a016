from typing import ClassVar

from dianji.techniques.early_stopping import EarlyStopping
from dianji.techniques.ema import Ema
from dianji.techniques.imprint import Imprint
from dianji.techniques.r_drop import RDrop
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


class TestImprint(TechniqueContract):
    component = Imprint


class TestSureImprint(TechniqueContract):
    component = Imprint
    arguments: ClassVar = {"confidence": 1.0}


class TestRDrop(TechniqueContract):
    component = RDrop
