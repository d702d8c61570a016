from dianji.evaluate.metrics.accuracy import Accuracy
from dianji.evaluate.metrics.correlation import Pearson, Spearman
from dianji.evaluate.metrics.errors import ExplainedVariance, MeanAbsoluteError, RootMeanSquaredError
from dianji.evaluate.metrics.f1 import MacroF1, MicroF1, WeightedF1
from dianji.evaluate.metrics.language import Perplexity, TokenAccuracy, TurnLoss
from dianji.evaluate.metrics.probability import ExpectedCalibrationError, LogLoss
from dianji.evaluate.metrics.ranking import (
    MeanReciprocalRank,
    NormalisedDiscountedCumulativeGain,
    RecallAt1,
    RecallAt5,
    RecallAt10,
)
from dianji.evaluate.metrics.rouge import Rouge1, Rouge2, RougeL
from dianji.evaluate.metrics.spans import SpanF1, SpanMacroF1, SpanPrecision, SpanRecall
from dianji.evaluate.metrics.translation import Bleu, Chrf, ExactMatch, LengthRatio
from dianji.testing.metric import MetricContract


class TestAccuracy(MetricContract):
    component = Accuracy


class TestMacroF1(MetricContract):
    component = MacroF1


class TestMicroF1(MetricContract):
    component = MicroF1


class TestWeightedF1(MetricContract):
    component = WeightedF1


class TestLogLoss(MetricContract):
    component = LogLoss


class TestExpectedCalibrationError(MetricContract):
    component = ExpectedCalibrationError


class TestPerplexity(MetricContract):
    component = Perplexity


class TestTurnLoss(MetricContract):
    component = TurnLoss


class TestTokenAccuracy(MetricContract):
    component = TokenAccuracy


class TestSpanF1(MetricContract):
    component = SpanF1


class TestSpanPrecision(MetricContract):
    component = SpanPrecision


class TestSpanRecall(MetricContract):
    component = SpanRecall


class TestSpanMacroF1(MetricContract):
    component = SpanMacroF1


class TestBleu(MetricContract):
    component = Bleu


class TestChrf(MetricContract):
    component = Chrf


class TestExactMatch(MetricContract):
    component = ExactMatch


class TestLengthRatio(MetricContract):
    component = LengthRatio


class TestRouge1(MetricContract):
    component = Rouge1


class TestRouge2(MetricContract):
    component = Rouge2


class TestRougeL(MetricContract):
    component = RougeL


class TestSpearman(MetricContract):
    component = Spearman


class TestPearson(MetricContract):
    component = Pearson


class TestRecallAt1(MetricContract):
    component = RecallAt1


class TestRecallAt5(MetricContract):
    component = RecallAt5


class TestRecallAt10(MetricContract):
    component = RecallAt10


class TestMeanReciprocalRank(MetricContract):
    component = MeanReciprocalRank


class TestNormalisedDiscountedCumulativeGain(MetricContract):
    component = NormalisedDiscountedCumulativeGain


class TestMeanAbsoluteError(MetricContract):
    component = MeanAbsoluteError


class TestRootMeanSquaredError(MetricContract):
    component = RootMeanSquaredError


class TestExplainedVariance(MetricContract):
    component = ExplainedVariance
