import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from dianji.bases.folder import FolderBase
from dianji.errors import BaseError
from dianji.tasks._crf import HEAD, HEAD_CONFIG, Crf
from dianji.tasks._tagset import TagSet
from dianji.tasks.sequence_tagging import SequenceTagging
from dianji.testing import toys


def saved(tmp_path, crf=True):
    base = toys.text_base()
    torch.manual_seed(0)
    model = SequenceTagging(crf=crf).fit(toys.tokens_table()).model(base).model
    with torch.no_grad():
        model.get_parameter("crf.transitions").uniform_()
    model.save_pretrained(tmp_path)
    base.processor.save_pretrained(tmp_path)
    return model


def test_the_likelihood_of_all_paths_is_one():
    torch.manual_seed(0)
    crf = Crf(TagSet(("A",), "bio"))
    torch.nn.init.normal_(crf.transitions)
    emissions, lengths, yes = torch.randn(1, 3, 3), torch.tensor([3]), torch.tensor([True])
    paths = torch.cartesian_prod(*[torch.arange(3)] * 3)
    with torch.no_grad():
        costs = [crf(emissions, lengths, yes, yes, path.unsqueeze(0)) for path in paths]
    assert float(torch.cat(costs).neg().exp().sum()) == pytest.approx(1.0, abs=1e-5)


def test_a_window_amid_a_text_may_begin_inside_a_span():
    crf = Crf(TagSet(("A",), "bio"))
    emissions, lengths, yes = torch.tensor([[[0.0, 0.0, 5.0]]]), torch.tensor([1]), torch.tensor([True])
    assert crf.best(emissions, lengths, ~yes, ~yes).path.tolist() == [[2]]
    assert crf.best(emissions, lengths, yes, yes).path.tolist() != [[2]]


def test_the_folder_holds_the_backbone_under_its_own_name(tmp_path):
    model = saved(tmp_path)
    opened = AutoModel.from_pretrained(tmp_path)
    for name, weight in opened.named_parameters():
        assert torch.equal(weight, model.backbone.get_parameter(name)), name
    assert "B-card" not in (tmp_path / "config.json").read_text(), "transformers would open another head"


def test_the_head_is_opened_for_the_same_tags_alone(tmp_path):
    model = saved(tmp_path)
    base = FolderBase(tmp_path).prepare(toys.tokens_table())
    task = SequenceTagging(crf=True).fit(toys.tokens_table())
    again = task.model(base).model
    base.require_complete()
    assert torch.equal(again.get_parameter("crf.transitions"), model.get_parameter("crf.transitions"))
    SequenceTagging(crf=True, scheme="bioes").fit(toys.tokens_table()).model(base)
    assert "crf.transitions" in base.new_weights


def test_the_head_counts_for_the_identity_of_a_folder(tmp_path):
    saved(tmp_path)
    before = FolderBase(tmp_path).digest()
    weights = load_file(tmp_path / HEAD)
    save_file({**weights, "crf.begin": weights["crf.begin"] + 1}, tmp_path / HEAD)
    assert FolderBase(tmp_path).digest() != before


@pytest.mark.parametrize("damage", ["weights", "config"])
def test_a_damaged_head_is_an_error(tmp_path, damage):
    saved(tmp_path)
    (tmp_path / (HEAD if damage == "weights" else HEAD_CONFIG)).write_bytes(b"{")
    base = FolderBase(tmp_path).prepare(toys.tokens_table())
    with pytest.raises(BaseError, match="expected a tagger's head for 7 tags"):
        SequenceTagging(crf=True).fit(toys.tokens_table()).model(base)
