from typing import ClassVar

import pytest

from dianji.bases import minilm
from dianji.bases.e5 import E5
from dianji.bases.image.cnn import Cnn as ImageCnn
from dianji.bases.image.resnet import ResNet
from dianji.bases.image.vit import Vit
from dianji.bases.minilm import MiniLM
from dianji.bases.text.cnn import Cnn as TextCnn
from dianji.bases.text.lstm import Lstm
from dianji.bases.text.seq2seq import Seq2Seq
from dianji.bases.text.transformer import Transformer
from dianji.testing.base import BaseContract


@pytest.mark.skipif(not minilm.WEIGHTS.is_installed(), reason="the extra 'starter' is not installed")
class TestMiniLM(BaseContract):
    component = MiniLM


@pytest.mark.starters
class TestE5(BaseContract):
    component = E5


class TestTransformer(BaseContract):
    kind = "architecture"
    component = Transformer
    arguments: ClassVar = {"layers": 2, "width": 16, "heads": 2, "length": 32}


class TestLstm(BaseContract):
    kind = "architecture"
    component = Lstm
    arguments: ClassVar = {"width": 16, "length": 32}


class TestTextCnn(BaseContract):
    kind = "architecture"
    component = TextCnn
    arguments: ClassVar = {"width": 16, "length": 32}


class TestSeq2Seq(BaseContract):
    kind = "architecture"
    component = Seq2Seq
    arguments: ClassVar = {"layers": 2, "width": 16, "heads": 2, "vocabulary": 300, "length": 32}


class TestImageCnn(BaseContract):
    kind = "architecture"
    component = ImageCnn
    arguments: ClassVar = {"widths": (8, 16)}


class TestResNet(BaseContract):
    kind = "architecture"
    component = ResNet
    arguments: ClassVar = {"widths": (8, 16), "depths": (1, 1)}


class TestVit(BaseContract):
    kind = "architecture"
    component = Vit
    arguments: ClassVar = {"layers": 2, "width": 16, "heads": 2}
