from dianji.procedures.once import Once
from dianji.testing.procedure import ProcedureContract


class TestOnce(ProcedureContract):
    component = Once
