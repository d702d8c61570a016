"""Which library besides Dianji opens a folder to the same outputs, as the model card says; and whether it does.

A folder must not be advertised as what it is not: transformers fills a head that it does not find with random weights,
and answers with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dianji.artefact.probe import Probe, answer
from dianji.bases.quiet import quiet
from dianji.errors import ArtefactError
from dianji.tasks.base import Task, TaskModel

if TYPE_CHECKING:
    from dianji.artefact.opened import Model

#: What sentence-transformers does by the Hub's names; it has no classifiers.
_EMBEDS = frozenset({"sentence-similarity", "feature-extraction"})


@dataclass(frozen=True)
class Loader:
    """``library`` as the Hub spells it. ``class_name`` is of transformers; ``tag`` is the card's ``pipeline_tag``."""

    library: str = "dianji"
    class_name: str = ""
    tag: str = ""

    def to_json(self) -> dict[str, str]:
        """Plain values, as ``dianji.json`` has them."""
        return asdict(self)


def loader_of(task: Task, made: TaskModel) -> Loader:
    """What opens the folder that ``made.model.save_pretrained`` leaves."""
    if made.library != "transformers":
        return Loader(made.library, tag=task.hub_name if task.hub_name in _EMBEDS else "")
    kind = type(made.model)
    if not kind.__module__.startswith("transformers."):  # an architecture of ours, or of a plug-in
        return Loader()
    return Loader("transformers", kind.__name__, task.hub_name if _by_pipeline(task.hub_name, made) else "")


def check(opened: Model) -> None:
    """Open the folder as its manifest says that transformers does, and compare with the probe.

    Raises:
        ArtefactError: a weight is missing, or the outputs are others.
    """
    loader = opened.manifest.loader
    if loader.get("library") != "transformers":
        return
    import transformers

    kind: Any = getattr(transformers, loader["class_name"])
    with quiet():
        network, report = kind.from_pretrained(
            opened.folder, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    missing = sorted(report["missing_keys"]) + sorted(entry[0] for entry in report["mismatched_keys"])
    if missing:
        raise ArtefactError(
            f"{opened.folder}: transformers' {kind.__name__} does not find {len(missing)} of its weights in it, among "
            f"them {', '.join(missing[:3])}."
        )
    probe = Probe.read(opened.folder)
    probe.compare(answer(opened.task, network.eval(), opened.base, probe.rows, probe.seed), opened.folder)


def use(loader: Loader, task: Task) -> list[str]:
    """Lines of the model card's section "Use"."""
    texts = task.modality == "text"
    several = [name for name, column in task.inputs.items() if not column.optional] if texts else []
    row = ", ".join(f'"{name}": "…"' for name in several)
    read = f"--row '{{{row}}}'" if len(several) > 1 else '--text "…"' if texts else "IMAGES"
    lines = ["```bash", f"dianji predict FOLDER {read}", "```", ""]
    told = f"  # {task.raw_outputs}" if task.raw_outputs else ""
    if loader.tag and loader.library == "transformers":
        rows = '["…"]' if texts else '["image.png"]'
        if len(several) > 1:
            rows = '{"text": "…", "text_pair": "…"}' if loader.tag == "text-classification" else f"{{{row}}}"
        code = ["from transformers import pipeline", "", f'pipeline("{loader.tag}", model="FOLDER")({rows})']
    elif loader.library == "transformers":
        opened = f'{loader.class_name}.from_pretrained("FOLDER"){told}'
        code = [f"from transformers import {loader.class_name}", "", opened]
    elif loader.library == "sentence-transformers":
        one = '("…", "…")' if len(several) > 1 else '"…"'
        told = told or "  # logits, in the order of the labels in dianji.json"
        opened = f'SentenceTransformer("FOLDER").encode([{one}])' + ("" if loader.tag else told)
        code = ["from sentence_transformers import SentenceTransformer", "", opened]
    else:
        return [*lines, "No other library opens this folder: its architecture is Dianji's own.", ""]
    return [*lines, "The same model in Python without Dianji:", "", "```python", *code, "```", ""]


def _by_pipeline(tag: str, made: TaskModel) -> bool:
    """Whether transformers' pipeline of this name opens the model's own class; one that it has no more is left out."""
    from transformers.pipelines import SUPPORTED_TASKS

    known: Mapping[str, Any] = SUPPORTED_TASKS
    autos = known.get(tag, {}).get("pt", ())
    config = type(made.model.config)
    found = [auto._model_mapping[config] for auto in autos if config in auto._model_mapping]
    return type(made.model) in found
