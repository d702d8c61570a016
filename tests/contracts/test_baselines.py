import pyarrow as pa
import pytest
import torch
from transformers import AutoModelForCausalLM

from dianji.bases.folder import FolderBase
from dianji.evaluate.baselines.counted_words import CountedWords, SecondTextAlone
from dianji.evaluate.baselines.majority import Majority
from dianji.evaluate.baselines.majority_tag import MajorityTag
from dianji.evaluate.baselines.numbers import CountedRidge, MeanNumber
from dianji.evaluate.baselines.pixels import Pixels
from dianji.evaluate.baselines.vectors import BeforeTraining, CountedCosine, RandomVectors
from dianji.evaluate.baselines.word_features import WordFeatures
from dianji.evaluate.baselines.written import FrequentTarget, LeadSentence, NearestSource, SourceCopy
from dianji.tasks._forms import FormName
from dianji.tasks.base import Task
from dianji.tasks.image_classification import ImageClassification
from dianji.tasks.instruction_tuning import InstructionTuning
from dianji.tasks.sentence_embedding import SentenceEmbedding
from dianji.tasks.sequence_tagging import SequenceTagging
from dianji.tasks.text_classification import TextClassification
from dianji.tasks.text_pair_classification import TextPairClassification
from dianji.tasks.text_regression import TextRegression
from dianji.tasks.text_to_text import TextToText
from dianji.testing import toys
from dianji.testing.baseline import BaselineContract


def text_cases() -> list[tuple[Task, pa.Table]]:
    one, several = toys.text_table(), toys.tagged_table()
    return [(TextClassification().fit(one), one), (TextClassification(several=True).fit(several), several)]


def pair_cases() -> list[tuple[Task, pa.Table]]:
    one = toys.related_table()
    several = pa.table({"text": one["text"], "other": one["other"], "labels": toys.tagged_table()["labels"]})
    of_one, of_several = TextPairClassification().fit(one), TextPairClassification(several=True).fit(several)
    return [(of_one, one), (of_several, several)]


def number_cases() -> list[tuple[Task, pa.Table]]:
    scored, rated = toys.scored_table(), toys.rated_table()
    of_text = TextRegression(numbers=("words", "price")).fit(rated)
    return [(TextRegression(pair=True).fit(scored), scored), (of_text, rated)]


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


class TestCountedWordsOfPairs(BaselineContract):
    component = CountedWords

    def cases(self):
        return pair_cases()


class TestSecondTextAlone(BaselineContract):
    component = SecondTextAlone

    def cases(self):
        return pair_cases()


class TestMeanNumber(BaselineContract):
    component = MeanNumber

    def cases(self):
        return number_cases()


class TestCountedRidge(BaselineContract):
    component = CountedRidge

    def cases(self):
        return number_cases()


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


def embedding_cases() -> list[tuple[Task, pa.Table]]:
    tables: dict[FormName, pa.Table] = {
        "pairs": toys.pair_table(),
        "scored-pairs": toys.scored_table(),
        "triplets": toys.triplet_table(),
        "classes": toys.text_table(),
        "texts": toys.text_table(),
    }
    return [(SentenceEmbedding(form=form).fit(table), table) for form, table in tables.items()]


class TestRandomVectors(BaselineContract):
    component = RandomVectors
    by_row = False

    def cases(self):
        return embedding_cases()


class TestCountedCosine(BaselineContract):
    component = CountedCosine
    by_row = False

    def cases(self):
        return embedding_cases()


class TestBeforeTraining(BaselineContract):
    component = BeforeTraining
    by_row = False

    @pytest.fixture(autouse=True)
    def _saved(self, tmp_path):
        base = toys.text_base()
        torch.manual_seed(0)
        SentenceEmbedding().model(base).model.save_pretrained(tmp_path)
        base.processor.save_pretrained(tmp_path)
        self._folder = tmp_path
        decoder = toys.decoder_base()
        torch.manual_seed(0)
        decoder.load(AutoModelForCausalLM).save_pretrained(tmp_path / "decoder")
        decoder.processor.save_pretrained(tmp_path / "decoder")

    def base(self):
        return FolderBase(self._folder).prepare(toys.text_table())

    def cases(self):
        table = toys.messages_table()
        return [*embedding_cases(), (InstructionTuning(new_tokens=6).fit(table), table)]

    def fitted(self, task, table, seed=0):
        if not isinstance(task, InstructionTuning):
            return super().fitted(task, table, seed)
        base = FolderBase(self._folder / "decoder").prepare(table)
        return self.baseline().fit(task.comparable(base), table, seed)

    def test_does_not_apply_to_a_new_base(self):
        task, table = self.cases()[0]
        assert self.baseline().fit(task.comparable(toys.text_base()), table, 0) is None
