from typing import ClassVar

from dianji.engine.optimizers import Adadelta, Adafactor, Adagrad, Adam, AdamW, Sgd
from dianji.testing.optimizer import OptimizerContract


class TestAdamW(OptimizerContract):
    component = AdamW


class TestAdam(OptimizerContract):
    component = Adam


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
