"""Tasks that read pairs of texts, and tasks that answer with numbers."""

from typing import ClassVar

import pyarrow as pa

from dianji.tasks.text_pair_classification import TextPairClassification
from dianji.tasks.text_regression import TextRegression
from dianji.testing import families, toys
from dianji.testing.task import TaskContract


class TestTextPairClassification(TaskContract):
    component = TextPairClassification

    def table(self):
        return toys.related_table()


class TestNativeTextPairClassification(TestTextPairClassification):
    arguments: ClassVar = {"pooling": "native"}


class TestSeveralLabelsOfPairs(TaskContract):
    component = TextPairClassification
    arguments: ClassVar = {"several": True, "length": 10}

    def table(self):
        pairs = toys.related_table()
        return pa.table({"text": pairs["text"], "other": pairs["other"], "labels": toys.tagged_table()["labels"]})


class TestPairsForADecoder(TestTextPairClassification):
    """GPT-2's tokenizer puts nothing between two texts."""

    rate: ClassVar = 0.02

    def base(self):
        return families.gpt2()


class TestTextRegression(TaskContract):
    component = TextRegression
    arguments: ClassVar = {"numbers": ("words", "price")}

    def table(self):
        return toys.rated_table()


class TestNativeTextRegression(TestTextRegression):
    arguments: ClassVar = {"numbers": ("price",), "pooling": "native", "scale": (100.0, 300.0)}


class TestPairRegression(TaskContract):
    component = TextRegression
    arguments: ClassVar = {"pair": True, "scale": (0.0, 5.0)}

    def table(self):
        return toys.scored_table()
