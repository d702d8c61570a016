from typing import ClassVar

from dianji.engine.schedules import Constant, Cosine, Exponential, Linear, Polynomial
from dianji.testing.schedule import ScheduleContract


class TestConstant(ScheduleContract):
    component = Constant


class TestLinear(ScheduleContract):
    component = Linear


class TestCosine(ScheduleContract):
    component = Cosine


class TestExponential(ScheduleContract):
    component = Exponential


class TestPolynomial(ScheduleContract):
    component = Polynomial


class TestPolynomialWithFloor(ScheduleContract):
    component = Polynomial
    arguments: ClassVar = {"power": 0.5, "final": 0.1}
