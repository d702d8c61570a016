from dianji.evaluate.metrics.accuracy import Accuracy
from dianji.evaluate.metrics.f1 import MacroF1, MicroF1, WeightedF1
from dianji.evaluate.metrics.language import Perplexity, TokenAccuracy
from dianji.evaluate.metrics.probability import ExpectedCalibrationError, LogLoss
from dianji.evaluate.metrics.spans import SpanF1, SpanMacroF1, SpanPrecision, SpanRecall
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


class TestSpanF1(MetricContract):
    component = SpanF1


class TestSpanPrecision(MetricContract):
    component = SpanPrecision


class TestSpanRecall(MetricContract):
    component = SpanRecall


class TestSpanMacroF1(MetricContract):
    component = SpanMacroF1
