import pyarrow as pa

from dianji.evaluate.baselines.counted_words import CountedWords
from dianji.evaluate.baselines.majority import Majority
from dianji.evaluate.baselines.majority_tag import MajorityTag
from dianji.evaluate.baselines.pixels import Pixels
from dianji.evaluate.baselines.word_features import WordFeatures
from dianji.evaluate.baselines.written import FrequentTarget, LeadSentence, NearestSource, SourceCopy
from dianji.tasks.base import Task
from dianji.tasks.image_classification import ImageClassification
from dianji.tasks.sequence_tagging import SequenceTagging
from dianji.tasks.text_classification import TextClassification
from dianji.tasks.text_to_text import TextToText
from dianji.testing import toys
from dianji.testing.baseline import BaselineContract


def text_cases() -> list[tuple[Task, pa.Table]]:
    one, several = toys.text_table(), toys.tagged_table()
    return [(TextClassification().fit(one), one), (TextClassification(several=True).fit(several), several)]


def tagging_cases() -> list[tuple[Task, pa.Table]]:
    tokens, spans = toys.tokens_table(), toys.spans_table()
    return [(SequenceTagging().fit(tokens), tokens), (SequenceTagging(crf=True).fit(spans), spans)]


class TestMajority(BaselineContract):
    component = Majority

    def cases(self):
        return text_cases()


class TestCountedWords(BaselineContract):
    component = CountedWords

    def cases(self):
        return text_cases()


class TestPixels(BaselineContract):
    component = Pixels

    def cases(self):
        table = toys.image_table()
        return [(ImageClassification().fit(table), table)]


class TestMajorityTag(BaselineContract):
    component = MajorityTag

    def cases(self):
        return tagging_cases()


class TestWordFeatures(BaselineContract):
    component = WordFeatures

    def cases(self):
        return tagging_cases()


class WrittenContract(BaselineContract):
    def cases(self):
        table = toys.pairs_table()
        return [(TextToText().fit(table), table)]


class TestSourceCopy(WrittenContract):
    component = SourceCopy


class TestLeadSentence(WrittenContract):
    component = LeadSentence


class TestFrequentTarget(WrittenContract):
    component = FrequentTarget


class TestNearestSource(WrittenContract):
    component = NearestSource
