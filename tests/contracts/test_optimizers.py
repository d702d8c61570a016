from importlib.util import find_spec
from typing import ClassVar

import pytest

from dianji.engine.optimizers import Adadelta, Adafactor, Adagrad, Adam, AdamW, AdamW8bit, Sgd
from dianji.testing.optimizer import OptimizerContract


class TestAdamW(OptimizerContract):
    component = AdamW


class TestAdam(OptimizerContract):
    component = Adam


@pytest.mark.skipif(find_spec("torchao") is None, reason="needs the extra memory")
class TestAdamW8bit(OptimizerContract):
    component = AdamW8bit


class TestSgd(OptimizerContract):
    component = Sgd


class TestNesterov(OptimizerContract):
    component = Sgd
    arguments: ClassVar = {"nesterov": True}


class TestPlainDescent(OptimizerContract):
    component = Sgd
    arguments: ClassVar = {"momentum": 0.0, "nesterov": True}


class TestAdafactor(OptimizerContract):
    component = Adafactor


class TestAdagrad(OptimizerContract):
    component = Adagrad
    rate = 0.5


class TestAdadelta(OptimizerContract):
    component = Adadelta
    rate = 10.0
