from dianji.evaluate.metrics.accuracy import Accuracy
from dianji.evaluate.metrics.correlation import Pearson, Spearman
from dianji.evaluate.metrics.f1 import MacroF1, MicroF1, WeightedF1
from dianji.evaluate.metrics.language import Perplexity, TokenAccuracy
from dianji.evaluate.metrics.probability import ExpectedCalibrationError, LogLoss
from dianji.evaluate.metrics.ranking import (
    MeanReciprocalRank,
    NormalisedDiscountedCumulativeGain,
    RecallAt1,
    RecallAt5,
    RecallAt10,
)
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


class TestTokenAccuracy(MetricContract):
    component = TokenAccuracy


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
