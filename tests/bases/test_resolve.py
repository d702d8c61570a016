from __future__ import annotations

import pytest

from dianji.bases.folder import FolderBase
from dianji.bases.hub import HubBase
from dianji.bases.minilm import MiniLM
from dianji.bases.resolve import resolve
from dianji.bases.scratch import ScratchBase
from dianji.bases.text.transformer import Transformer
from dianji.errors import BaseError, RecipeError
from dianji.spec.sections import NewBase


def test_a_registered_name():
    assert resolve("minilm", "text") == MiniLM()


def test_an_absolute_path(encoder):
    assert resolve(str(encoder), "text") == FolderBase(encoder, "text")


def test_a_relative_path_that_exists(encoder, monkeypatch):
    monkeypatch.chdir(encoder.parent)
    source = resolve("toy-encoder", "text")
    assert isinstance(source, FolderBase)
    assert source.card().name == "toy-encoder"


def test_a_name_wins_over_a_folder_and_a_dot_over_the_name(encoder, tmp_path, monkeypatch):
    encoder.rename(tmp_path / "minilm")
    monkeypatch.chdir(tmp_path)
    assert resolve("minilm", "text") == MiniLM()
    assert isinstance(resolve("./minilm", "text"), FolderBase)


@pytest.mark.parametrize("spec", ["/no/such/folder", "./nothing", "../nothing"])
def test_what_looks_like_a_path_stays_one(spec):
    with pytest.raises(BaseError, match="found nothing"):
        resolve(spec, "text").card()


def test_a_folder_with_a_slash_wins_over_the_hub(encoder, tmp_path, monkeypatch):
    (tmp_path / "org").mkdir()
    encoder.rename(tmp_path / "org" / "name")
    monkeypatch.chdir(tmp_path)
    assert isinstance(resolve("org/name", "text"), FolderBase)


def test_a_hub_id():
    assert resolve("google-bert/bert-base-uncased", "text") == HubBase("google-bert/bert-base-uncased", "text")


def test_a_new_architecture():
    source = resolve(NewBase(new="transformer", arguments={"layers": 3}), "text", seed=5)
    assert source == ScratchBase(Transformer(layers=3), 5)


@pytest.mark.parametrize("spec", ["minlm", "bert-base-uncased", "a/b/c", "with space"])
def test_an_unknown_base_says_what_there_is(spec):
    with pytest.raises(BaseError) as caught:
        resolve(spec, "text")
    message = str(caught.value)
    for part in (f"no base '{spec}'", "minilm", "org/name", "offline"):
        assert part in message


def test_a_close_name_is_suggested():
    with pytest.raises(BaseError, match="Did you mean 'minilm'"):
        resolve("minlm", "text")


def test_a_file_is_no_base(encoder, monkeypatch):
    monkeypatch.chdir(encoder)
    with pytest.raises(BaseError, match="found a file"):
        resolve("config.json", "text").card()


def test_an_unknown_architecture():
    with pytest.raises(RecipeError, match=r"no architecture 'transfomer'\. Did you mean 'transformer'"):
        resolve(NewBase(new="transfomer"), "text")


def test_an_architecture_of_the_other_modality():
    with pytest.raises(
        RecipeError, match=r"'resnet' is for image, and the task works on text\. For text: lstm, seq2seq, text-cnn"
    ):
        resolve(NewBase(new="resnet"), "text")


def test_an_unknown_argument():
    with pytest.raises(RecipeError, match=r"takes no argument 'layer'\. Did you mean 'layers'"):
        resolve(NewBase(new="transformer", arguments={"layer": 3}), "text")


def test_an_impossible_argument():
    with pytest.raises(RecipeError, match=r"layers: .*greater than or equal to 1"):
        resolve(NewBase(new="transformer", arguments={"layers": 0}), "text")


def test_convolutions_for_text_and_for_images_have_names_of_their_own():
    names = {"text-cnn": "text", "cnn": "image"}
    text, image = (resolve(NewBase(new=name), modality).card() for name, modality in names.items())
    assert (text.architecture, image.architecture) == ("dianji-cnn", "dianji-image-cnn")
