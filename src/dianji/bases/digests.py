"""The identity of a base folder: a digest over the bytes of every file that decides what the model does."""

from __future__ import annotations

import functools
from pathlib import Path

from dianji.bases.processor import processor_files
from dianji.bases.weights import INDEX, weight_files
from dianji.store.digest import digest_file, digest_value

#: Beside the weights and the processor: configuration, sentence-transformers chain.
_FILES = (
    "config.json",
    INDEX,
    "generation_config.json",
    "modules.json",
    "tagger.json",
    "tagger.safetensors",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "[0-9]_*/*.json",
    "[0-9]_*/*.safetensors",
)


def folder_digest(folder: Path) -> str:
    """The same for every copy of the same bytes, whatever the folder is called.

    Raises:
        BaseError: the weights are missing or damaged.
    """
    patterns = {*_FILES, *processor_files()}
    files = {file for pattern in patterns for file in folder.glob(pattern) if file.is_file()} | set(
        weight_files(folder)
    )
    return digest_value({file.relative_to(folder).as_posix(): file_digest(file) for file in files})


def file_digest(file: Path) -> str:
    """sha256 of a file, read once per process unless its size or time changes."""
    stat = file.stat()
    return _file_digest(file.resolve(), stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _file_digest(file: Path, size: int, changed: int) -> str:
    return digest_file(file)
