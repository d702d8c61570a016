"""A reader finds the old content or the new one, whatever goes wrong."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Thread

import pytest

from dianji.errors import StoreError
from dianji.store.atomic import alone, new_folder, sync_folder, translated, write_json, write_text

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
FORBIDDEN = [OSError(number, os.strerror(number)) for number in (errno.EROFS, errno.EACCES, errno.EPERM)]

HALF = """
import sys, time
from pathlib import Path
from dianji.store.atomic import new_folder
with new_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("half")
    print("half", flush=True)
    time.sleep(60)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def raising(error):
    def fail(*arguments, **options):
        raise error

    return fail


class TestWriteText:
    def test_writes_and_replaces(self, tmp_path):
        path = tmp_path / "deep" / "er" / "note.txt"
        write_text(path, "奠基\n")
        write_text(path, "second\n")
        assert path.read_text(encoding="utf-8") == "second\n"
        assert names(path.parent) == ["note.txt"]

    def test_others_may_read_it(self, tmp_path):
        write_text(tmp_path / "note", "x")
        assert stat.S_IMODE((tmp_path / "note").stat().st_mode) & 0o444 == 0o444

    @pytest.mark.parametrize("broken", ["fsync", "fdopen", "replace", "mkstemp"])
    def test_a_full_disk_leaves_the_old_content_and_nothing_else(self, tmp_path, monkeypatch, broken):
        path = tmp_path / "note"
        write_text(path, "old")
        where = {"replace": Path, "mkstemp": tempfile}.get(broken, os)
        monkeypatch.setattr(where, broken, raising(FULL))
        with pytest.raises(StoreError, match=r"the disk is full \(\d+ MiB free\).*DIANJI_HOME"):
            write_text(path, "new")
        monkeypatch.undo()
        assert path.read_text() == "old"
        assert names(tmp_path) == ["note"]

    @pytest.mark.parametrize("error", FORBIDDEN, ids=lambda error: errno.errorcode[error.errno])
    def test_a_folder_that_cannot_be_written_is_told(self, tmp_path, monkeypatch, error):
        monkeypatch.setattr(tempfile, "mkstemp", raising(error))
        with pytest.raises(
            StoreError, match=r"cannot be written \(.+\)\. Make the folder writable, or set DIANJI_HOME"
        ):
            write_text(tmp_path / "note", "new")
        assert names(tmp_path) == []

    def test_other_faults_are_told_as_they_are(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match=r"file/note: (Not a directory|File exists)"):
            write_text(tmp_path / "file" / "note", "new")

    def test_an_interruption_leaves_nothing_behind(self, tmp_path, monkeypatch):
        monkeypatch.setattr(os, "fsync", raising(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            write_text(tmp_path / "note", "new")
        assert names(tmp_path) == []


def test_json_reads_back_and_has_no_nan(tmp_path):
    write_json(tmp_path / "a.json", {"名": [1, None, 2.5]})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"名": [1, None, 2.5]}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert names(tmp_path) == ["a.json"]


class TestNewFolder:
    def test_appears_whole_and_readable(self, tmp_path):
        with new_folder(tmp_path / "steps" / "artefact") as folder:
            (folder / "inner").mkdir()
            (folder / "inner" / "file").write_text("1")
            assert names(tmp_path / "steps") == [folder.name]
        assert (tmp_path / "steps/artefact/inner/file").read_text() == "1"
        assert names(tmp_path / "steps") == ["artefact"]
        assert stat.S_IMODE((tmp_path / "steps/artefact").stat().st_mode) == 0o755

    def test_replaces_the_old_one_whole(self, tmp_path):
        for content in ("old", "new"):
            with new_folder(tmp_path / "a") as folder:
                (folder / content).write_text(content)
        assert names(tmp_path / "a") == ["new"]
        assert names(tmp_path) == ["a"]

    @pytest.mark.parametrize("old", [True, False])
    def test_a_failing_block_leaves_what_was_there(self, tmp_path, old):
        if old:
            with new_folder(tmp_path / "a") as folder:
                (folder / "old").write_text("old")
        with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "a") as folder:  # noqa: PT012
            (folder / "half").write_text("half")
            raise ZeroDivisionError
        assert names(tmp_path) == (["a"] if old else [])
        assert not old or names(tmp_path / "a") == ["old"]

    @pytest.mark.parametrize("error", [FULL, *FORBIDDEN], ids=lambda error: errno.errorcode[error.errno])
    @pytest.mark.parametrize("broken", ["fsync", "rename"])
    def test_faults_while_putting_it_in_place(self, tmp_path, monkeypatch, broken, error):
        with new_folder(tmp_path / "a") as folder:
            (folder / "old").write_text("old")
        monkeypatch.setattr(os if broken == "fsync" else Path, broken, raising(error))
        with (
            pytest.raises(StoreError, match=r"the disk is full|cannot be written"),
            new_folder(tmp_path / "a") as folder,
        ):
            (folder / "new").write_text("new")
        monkeypatch.undo()
        assert names(tmp_path / "a") == ["old"]
        assert names(tmp_path) == ["a"]

    def test_a_fault_between_the_two_renames_brings_the_old_one_back(self, tmp_path, monkeypatch):
        with new_folder(tmp_path / "a") as folder:
            (folder / "old").write_text("old")
        rename, calls = Path.rename, []

        def second_fails(path, target):
            calls.append(target)
            if len(calls) == 2:
                raise FULL
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", second_fails)
        with pytest.raises(StoreError, match="the disk is full"), new_folder(tmp_path / "a") as folder:
            (folder / "new").write_text("new")
        monkeypatch.undo()
        assert names(tmp_path / "a") == ["old"]
        assert names(tmp_path) == ["a"]

    def test_a_process_killed_in_the_block_leaves_the_old_one(self, tmp_path):
        with new_folder(tmp_path / "a") as folder:
            (folder / "old").write_text("old")
        with subprocess.Popen([sys.executable, "-c", HALF, tmp_path / "a"], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "half\n"
            child.kill()
        assert names(tmp_path / "a") == ["old"]
        with alone(tmp_path / "a"):
            assert {"a"} <= set(names(tmp_path)) <= {"a", "a.lock"}, "what the killed process left"


class TestAlone:
    def test_what_others_left_of_the_same_is_gone_and_nothing_else(self, tmp_path):
        (tmp_path / ".a.x1").mkdir()
        (tmp_path / ".a.x1" / "half").write_text("half")
        (tmp_path / ".a.x2").write_text("half")
        (tmp_path / ".ab.x3").write_text("of another")
        with alone(tmp_path / "a"):
            assert set(names(tmp_path)) - {"a.lock"} == {".ab.x3"}

    def test_who_comes_second_waits(self, tmp_path):
        order = []

        def second():
            with alone(tmp_path / "a"):
                order.append("second")

        waiting = Thread(target=second)
        with alone(tmp_path / "a"):
            waiting.start()
            waiting.join(timeout=0.2)
            order.append("first")
        waiting.join()
        assert order == ["first", "second"]

    def test_a_folder_that_cannot_be_written_is_told(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match=r"Not a directory|File exists"), alone(tmp_path / "file" / "a"):
            pass


def test_translated_lets_other_errors_through(tmp_path):
    with pytest.raises(ValueError, match="mine"), translated(tmp_path):
        raise ValueError("mine")


def test_translated_names_the_free_space_of_a_path_that_is_not_there(tmp_path):
    with pytest.raises(StoreError, match=r"MiB free"), translated(tmp_path / "not" / "there"):
        raise FULL


def test_sync_folder_is_refused_for_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "absent")
