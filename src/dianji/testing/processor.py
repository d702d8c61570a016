"""The contract of a processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from dianji.bases.processor import Processor, processor_for, require_processor
from dianji.errors import BaseError
from dianji.registry import key_of
from dianji.testing.component import ComponentContract


class ProcessorContract(ComponentContract):
    """``component`` is a processor; ``made`` gives a processor to save, ``answer`` asks it something."""

    kind: ClassVar[str] = "processor"

    def made(self) -> Any:
        """A processor that is ready for use."""
        raise NotImplementedError

    def answer(self, made: Any) -> Any:
        """Plain values that the processor makes of something fixed."""
        raise NotImplementedError

    def processor(self) -> Processor:
        """The component, typed."""
        found: Processor = self.make()
        return found

    def test_is_the_usual_one_of_its_modality(self) -> None:
        assert processor_for(self.processor().modality)

    def test_opens_as_it_was_saved(self, tmp_path: Path) -> None:
        made = self.made()
        self.processor().save(made, tmp_path)
        require_processor(tmp_path, key_of(self.processor()).name)
        assert self.answer(self.processor().open(tmp_path)) == self.answer(made)

    def test_its_files_are_all_it_leaves(self, tmp_path: Path) -> None:
        self.processor().save(self.made(), tmp_path)
        known = {file for pattern in self.processor().files for file in tmp_path.glob(pattern)}
        assert set(tmp_path.iterdir()) <= known, "a file that no pattern names is in no digest"

    def test_refuses_a_folder_without_it(self, tmp_path: Path) -> None:
        with pytest.raises(BaseError, match=self.processor().noun):
            require_processor(tmp_path, key_of(self.processor()).name)

    def test_refuses_a_damaged_file(self, tmp_path: Path) -> None:
        self.processor().save(self.made(), tmp_path)
        for file in tmp_path.iterdir():
            file.write_text("{", encoding="utf-8")
        with pytest.raises(BaseError, match="cannot be opened"):
            self.processor().open(tmp_path)
