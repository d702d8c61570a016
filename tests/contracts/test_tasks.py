from typing import ClassVar

from dianji.tasks.causal_language import CausalLanguage
from dianji.tasks.image_classification import ImageClassification
from dianji.tasks.instruction_tuning import InstructionTuning
from dianji.tasks.masked_language import MaskedLanguage
from dianji.tasks.sentence_embedding import SentenceEmbedding
from dianji.tasks.sequence_tagging import SequenceTagging
from dianji.tasks.text_classification import TextClassification
from dianji.tasks.text_to_text import TextToText
from dianji.testing import toys
from dianji.testing.task import TaskContract


class TestTextClassification(TaskContract):
    component = TextClassification


class TestNativeTextClassification(TaskContract):
    component = TextClassification
    arguments: ClassVar = {"pooling": "native"}


class TestFirstTokenTextClassification(TaskContract):
    component = TextClassification
    arguments: ClassVar = {"pooling": "first"}


class TestSeveralLabels(TaskContract):
    component = TextClassification
    arguments: ClassVar = {"several": True}

    def table(self):
        return toys.tagged_table()


class TestSequenceTagging(TaskContract):
    component = SequenceTagging

    def table(self):
        return toys.tokens_table()


class TestSequenceTaggingOfTexts(TaskContract):
    component = SequenceTagging
    arguments: ClassVar = {"scheme": "bioes", "smoothing": 0.1}

    def table(self):
        return toys.spans_table()


class TestSequenceTaggingByCrf(TaskContract):
    component = SequenceTagging
    arguments: ClassVar = {"crf": True}
    rate: ClassVar = 0.02

    def table(self):
        return toys.tokens_table()


class TestSequenceTaggingInWindows(TaskContract):
    component = SequenceTagging
    arguments: ClassVar = {"crf": True, "scheme": "bioes", "length": 6, "overlap": 2}

    def table(self):
        return toys.tokens_table()


class TestImageClassification(TaskContract):
    component = ImageClassification


class TestImagesThatAreNotMoved(TaskContract):
    component = ImageClassification
    arguments: ClassVar = {"flip": False, "crop": 0}


class TestMaskedLanguage(TaskContract):
    component = MaskedLanguage


class TestWholeWordMaskedLanguage(TaskContract):
    component = MaskedLanguage
    arguments: ClassVar = {"whole_word": True}


class TestCausalLanguageOfAnEncoder(TaskContract):
    component = CausalLanguage


class TestCausalLanguage(TaskContract):
    component = CausalLanguage
    arguments: ClassVar = {"length": 16, "new_tokens": 3}

    def base(self):
        return toys.decoder_base()

    def test_the_loss_reaches_the_head(self):
        task = self.task()
        assert self.model(task).head == (), "GPT-2's output layer is its embedding, which is trunk"


class TestInstructionTuning(TaskContract):
    component = InstructionTuning
    arguments: ClassVar = {"new_tokens": 6}

    def table(self):
        return toys.messages_table()

    def base(self):
        return toys.decoder_base()

    def test_the_loss_reaches_the_head(self):
        task = self.task()
        assert self.model(task).head == (), "GPT-2's output layer is its embedding, which is trunk"


class TestPackedInstructionTuning(TestInstructionTuning):
    arguments: ClassVar = {"packing": True, "new_tokens": 6, "answers": "last"}


class TestDrawnAnswers(TestInstructionTuning):
    arguments: ClassVar = {"temperature": 0.8, "top_p": 0.9, "stop": ("card",), "new_tokens": 6}


class TestTextToText(TaskContract):
    component = TextToText
    arguments: ClassVar = {"new_tokens": 12}

    def table(self):
        return toys.pairs_table()

    def base(self):
        return toys.seq2seq_base()


class TestGreedySummaries(TestTextToText):
    arguments: ClassVar = {"use": "summary", "beams": 1, "new_tokens": 12, "prefix": "shorten: "}


class TestDrawnText(TestTextToText):
    arguments: ClassVar = {"use": "other", "temperature": 0.7, "top_p": 0.9, "new_tokens": 12}


class TestEmbeddingOfPairs(TaskContract):
    component = SentenceEmbedding
    arguments: ClassVar = {"symmetric": True, "at_once": 5}

    def table(self):
        return toys.pair_table()


class TestEmbeddingOfScoredPairs(TaskContract):
    component = SentenceEmbedding
    arguments: ClassVar = {"form": "scored-pairs", "dimensions": (4, 16)}

    def table(self):
        return toys.scored_table()


class TestEmbeddingByMeanSquares(TaskContract):
    component = SentenceEmbedding
    arguments: ClassVar = {"form": "scored-pairs", "objective": "mse", "pooling": "first", "prompt": "please"}

    def table(self):
        return toys.scored_table()


class TestEmbeddingOfTriplets(TaskContract):
    component = SentenceEmbedding
    arguments: ClassVar = {"form": "triplets"}

    def table(self):
        return toys.triplet_table()


class TestEmbeddingByMargin(TaskContract):
    component = SentenceEmbedding
    arguments: ClassVar = {"form": "triplets", "objective": "triplet", "margin": 0.5, "normalize": False}

    def table(self):
        return toys.triplet_table()


class TestEmbeddingOfClasses(TaskContract):
    component = SentenceEmbedding
    arguments: ClassVar = {"form": "classes"}


class TestEmbeddingOfTextsAlone(TaskContract):
    component = SentenceEmbedding
    arguments: ClassVar = {"form": "texts"}


class TestEmbeddingByDenoising(TaskContract):
    component = SentenceEmbedding
    arguments: ClassVar = {"form": "texts", "objective": "tsdae"}
