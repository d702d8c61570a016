"""Which safetensors files hold a folder's weights, and whether they are whole. Reads headers, never weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dianji.errors import BaseError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")

_CONVERT = """To convert it, run this once on a machine where you trust the file (opening a pickle runs what is in it):
    from transformers import AutoModelForMaskedLM as Auto   # or the Auto class that fits the model's head
    Auto.from_pretrained("{folder}", use_safetensors=False).save_pretrained("{folder}-safe")
and copy the tokenizer or image processor files beside the new model.safetensors."""


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files that make up the weights: one, or the shards an index names.

    Raises:
        BaseError: there are none, they are pickled, one is missing, truncated, or not safetensors at all.
    """
    if (folder / SINGLE).is_file():
        files: tuple[Path, ...] = (folder / SINGLE,)
    elif (folder / INDEX).is_file():
        files = _shards(folder)
    else:
        raise _no_weights(folder)
    for file in files:
        check_safetensors(file)
    return files


def weight_names(folder: Path) -> list[str]:
    """The names of all weights of a folder.

    Raises:
        BaseError: see ``weight_files``.
    """
    return [name for file in weight_files(folder) for name in check_safetensors(file)]


def check_safetensors(file: Path) -> list[str]:
    """Compare the header with the file's size; the names of the file's weights.

    Raises:
        BaseError: the file is truncated, has bytes too many, or does not start with a safetensors header.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = _header(stream.read(length)) if 0 < length <= size - 8 else None
    if header is None:
        raise _damaged(file, f"its first bytes are not the header of a safetensors file ({size} bytes in all)")
    end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if size != 8 + length + end:
        raise _damaged(file, f"its header promises {8 + length + end} bytes, there are {size}")
    return list(header)


def _header(data: bytes) -> dict[str, Any] | None:
    """Tensor name -> entry; None if this is not a header."""
    try:
        entries = json.loads(data)
    except ValueError:  # also covers bytes that are not UTF-8
        return None
    if not isinstance(entries, dict):
        return None
    entries.pop("__metadata__", None)
    whole = all(isinstance(entry, dict) and _is_span(entry.get("data_offsets")) for entry in entries.values())
    return entries if whole else None


def _is_span(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(item, int) for item in value)


def _shards(folder: Path) -> tuple[Path, ...]:
    try:
        names = sorted(set(json.loads((folder / INDEX).read_text("utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _damaged(folder / INDEX, "it does not say which file holds which weight ('weight_map')") from None
    for name in names:
        # A shard elsewhere, or of another format, would be opened by a path that this module does not check.
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
            raise _damaged(folder / INDEX, f"it names {name!r}; expected safetensors files in the same folder")
        if not (folder / name).is_file():
            raise _damaged(folder / name, f"the file is missing, although {INDEX} names it")
    if not names:
        raise _damaged(folder / INDEX, "it names no files")
    return tuple(folder / name for name in names)


def _damaged(file: Path, what: str) -> BaseError:
    return BaseError(f"{file} is damaged or incomplete: {what}. Copy or download the file again.")


def _no_weights(folder: Path) -> BaseError:
    if (folder / "adapter_config.json").is_file():
        return BaseError(
            f"base folder {folder} holds an adapter (adapter_config.json) without the weights it belongs to. "
            "Load its base with peft, call merge_and_unload(), save_pretrained() to a new folder, and start there."
        )
    pickled = sorted(file.name for file in folder.iterdir() if file.suffix in PICKLED)
    if pickled:
        return BaseError(
            f"base folder {folder} has pickled weights only ({', '.join(pickled[:3])}), and a pickle can run any "
            f"code when it is opened; expected {SINGLE}. {_CONVERT.format(folder=folder)}"
        )
    found = ", ".join(sorted(file.name for file in folder.iterdir())[:8])
    return BaseError(
        f"base folder {folder} has no weights; expected {SINGLE} or {INDEX}, found {found}. "
        "Copy the missing files, or start from scratch with {new: …}."
    )
