"""The model card: Hugging Face front matter with a model-index, and a summary in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from dianji.artefact.learnt import Learnt
from dianji.artefact.loader import Loader, use
from dianji.artefact.manifest import PARTS, Manifest


def model_card(manifest: Manifest, learnt: Learnt, evidence: Mapping[str, Any]) -> str:
    """README.md of an artefact. Every figure in it was measured and stands in ``evidence/metrics.json``."""
    task = manifest.task["name"].split("@")[0]
    measured = evidence.get("metrics", {}).get("metrics", {})
    front = yaml.safe_dump(_front_matter(manifest, learnt.task.hub_name, measured), sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n{_body(manifest, learnt, task, measured, evidence)}"


def parts_card(manifest: Manifest, evidence: Mapping[str, Any]) -> str:
    """README.md of the folder that holds the parts of a stage."""
    measured = evidence.get("metrics", {})
    lines = [
        f"# {manifest.recipe}: {manifest.stage}",
        "",
        f"{len(manifest.parts)} models that learnt together: one base, a head each. Each is a complete artefact:",
        "",
        *(f"- `{PARTS}/{part}`" for part in manifest.parts),
        "",
        "## Scores",
        "",
        *_table(measured.get("metrics", {}), measured.get("baselines", {})),
        "",
        "## Use",
        "",
        "```bash",
        f'dianji predict FOLDER/{PARTS}/{manifest.parts[0]} --text "…"',
        "```",
        "",
    ]
    return "\n".join(lines)


def _front_matter(manifest: Manifest, hub_name: str, measured: Mapping[str, Any]) -> dict[str, Any]:
    task, base = manifest.task["name"].split("@")[0], manifest.base
    front: dict[str, Any] = {"library_name": manifest.loader["library"], "tags": ["dianji"]}
    if base["licence"] != "unknown":
        front["license"] = base["licence"]
    if base["languages"]:
        front["language"] = list(base["languages"])
    if base["source"]:
        front["base_model"] = base["source"]
    if manifest.loader["tag"]:
        front["pipeline_tag"] = manifest.loader["tag"]
    results = [
        {
            "task": {"type": hub_name or task},
            "dataset": {"name": name, "type": name, "split": split},
            "metrics": [{"type": metric, "value": estimate["value"]} for metric, estimate in of.items()],
        }
        for split, of in measured.items()
        for name in manifest.data
    ]
    return {**front, "model-index": [{"name": f"{manifest.recipe}-{manifest.stage}", "results": results}]}


def _body(
    manifest: Manifest, learnt: Learnt, task: str, measured: Mapping[str, Any], evidence: Mapping[str, Any]
) -> str:
    parents = ", ".join(f"{parent.kind} `{parent.name}` ({parent.digest[:12]})" for parent in manifest.parents)
    data = ", ".join(f"`{name}` ({digest[:12]})" for name, digest in manifest.data.items())
    training = manifest.training
    return "\n".join(
        [
            f"# {manifest.recipe}: {manifest.stage}",
            "",
            f"Task `{task}`, adaptation `{manifest.adaptation['name'].split('@')[0]}`, from {parents}, on data {data}.",
            f"Trained for {training['steps']} steps on {training['samples']} examples in {training['seconds']:.0f} s "
            f"({training['stop_reason']}), seed {manifest.seed}, by Dianji {manifest.versions['dianji']}.",
            "",
            "## Scores",
            "",
            *_table(measured, evidence.get("metrics", {}).get("baselines", {})),
            "",
            "Intervals are 95 % percentile bootstrap over the rows of the split. More in `evidence/`.",
            "",
            *(f"{name}: `{text}`\n" for name, text in evidence.get("metrics", {}).get("signatures", {}).items()),
            "## Use",
            "",
            *use(Loader(**manifest.loader), learnt.task),
            "`dianji.json` names the parents, the data and the sha256 of every file; `probe.json` and "
            "`probe.safetensors` hold inputs with the outputs that every copy of this model must reproduce.",
            "",
        ]
    )


def _table(measured: Mapping[str, Any], baselines: Mapping[str, Any]) -> list[str]:
    lines = ["| split | metric | value | 95 % interval | n |", "|---|---|---|---|---|"]
    for split, metrics in measured.items():
        lines += [_row(split, name, value) for name, value in metrics.items()]
    for baseline, splits in baselines.items():
        for split, metrics in splits.items():
            name, value = next(iter(metrics.items()))
            lines.append(_row(split, f"{name} of baseline {baseline}", value))
    return lines


def _row(split: str, name: str, value: Mapping[str, float]) -> str:
    return f"| {split} | {name} | {value['value']:.4f} | {value['low']:.4f} – {value['high']:.4f} | {value['n']} |"
