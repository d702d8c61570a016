import pyarrow as pa

from dianji.evaluate.baselines.best_sentence import BestSentence
from dianji.evaluate.metrics.answers import AnswerExactMatch, AnswerF1
from dianji.tasks.base import Task
from dianji.tasks.question_answering import QuestionAnswering
from dianji.testing import toys
from dianji.testing.baseline import BaselineContract
from dianji.testing.metric import MetricContract
from dianji.testing.task import TaskContract


class TestAnswerF1(MetricContract):
    component = AnswerF1


class TestAnswerExactMatch(MetricContract):
    component = AnswerExactMatch


class TestBestSentence(BaselineContract):
    component = BestSentence

    def cases(self) -> list[tuple[Task, pa.Table]]:
        table = toys.question_table()
        return [(QuestionAnswering().fit(table), table)]


class TestQuestionAnswering(TaskContract):
    component = QuestionAnswering

    def table(self) -> pa.Table:
        return toys.question_table()


class TestQuestionAnsweringInWindows(TaskContract):
    component = QuestionAnswering
    arguments = {"length": 12, "stride": 3, "question_length": 4, "candidates": 3}  # noqa: RUF012

    def table(self) -> pa.Table:
        return toys.question_table()
