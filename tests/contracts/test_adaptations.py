from typing import ClassVar

from dianji.adapt.frozen import Frozen
from dianji.adapt.full import Full
from dianji.adapt.last_layers import LastLayers
from dianji.adapt.lora import Lora
from dianji.testing.adaptation import AdaptationContract


class TestFull(AdaptationContract):
    component = Full


class TestFrozen(AdaptationContract):
    component = Frozen
    trains_trunk = False


class TestLastLayers(AdaptationContract):
    component = LastLayers


class TestLora(AdaptationContract):
    component = Lora


class TestLoraWithDropout(AdaptationContract):
    component = Lora
    arguments: ClassVar = {"rank": 2, "alpha": 4.0, "dropout": 0.3}
