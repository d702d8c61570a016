"""The update of the weights from the gradients of one step: sum, scale, clip, schedule, optimizer."""

from __future__ import annotations

from dianji.engine.context import RunContext
from dianji.engine.groups import parameter_groups
from dianji.engine.optimizers import clip
from dianji.registry import REGISTRY


class WeightUpdate:
    """The optimizer with its schedule. Make it after the context: it must see the model's final parameters."""

    def __init__(self, context: RunContext) -> None:
        job, train = context.job, context.job.train
        rate = train.learning_rate or 0.0
        groups = parameter_groups(job.model, rate, train.head_learning_rate or rate, train.weight_decay)
        built = REGISTRY.build("optimizer", train.optimizer.name, train.optimizer.arguments).build(groups)
        self.context = context
        self.optimizer = context.runtime.accelerator.prepare_optimizer(built)
        self.parameters = [parameter for group in groups for parameter in group["params"]]
        self.schedule = REGISTRY.build("schedule", train.schedule.name, train.schedule.arguments)

    def apply(self, items: int, when: tuple[int, int]) -> None:
        """Change the weights.

        Args:
            items: that the summed gradients are divided by.
            when: (step, total steps), for the schedule.
        """
        runtime, clip_norm = self.context.runtime, self.context.job.train.clip_norm
        runtime.processes.sum_gradients(self.parameters)
        runtime.accelerator.unscale_gradients(self.optimizer)
        if items > 1:
            for parameter in self.parameters:
                if parameter.grad is not None:
                    parameter.grad.div_(items)
        if clip_norm is not None:
            clip(self.optimizer, self.parameters, clip_norm)
        factor = self.schedule.factor(*when)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
        with self.context.fast_layers.stepping(self.optimizer):
            self.optimizer.step()
        self.optimizer.zero_grad()
