"""Templates: where answers stand, whatever the template looks like; what it leaves out is refused."""

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from dianji.bases.base import Base, Card
from dianji.data.columns._turns import turn, turn_of
from dianji.errors import CapabilityError
from dianji.tasks._chat_template import DEFAULT, Template, Unrenderable, lay_out, lay_out_prompt
from dianji.tasks._chat_tokens import ChatTokenizer
from dianji.testing import families, toys

SPECIAL = ("<s>", "</s>", "<|start|>", "<|end|>", "[INST]", "[/INST]")

CHATML = """\
{%- if tools -%}{{ tools | tojson }}{%- endif -%}
{%- for m in messages -%}<|start|>{{ m.role }}
{{ m.content }}{%- for call in m.tool_calls or [] -%}<tool_call>{{ call.function | tojson }}</tool_call>{%- endfor -%}
<|end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|start|>assistant
{% endif -%}"""
LLAMA2 = """\
{%- for m in messages -%}
{%- if m.role == 'user' -%}{{ bos_token + '[INST] ' + m.content.strip() + ' [/INST]' }}
{%- elif m.role == 'assistant' -%}{{ ' ' + m.content.strip() + ' ' + eos_token }}
{%- else -%}{{ raise_exception('Only user and assistant roles are supported') }}
{%- endif -%}
{%- endfor -%}"""
#: As Qwen3: what was thought is left out of all answers but the last.
FORGETFUL = """\
{%- for m in messages -%}<|start|>{{ m.role }}:
{%- if m.role == 'assistant' and not loop.last -%}{{ m.content.split('</think>')[-1] }}
{%- else -%}{{ m.content }}{%- endif -%}<|end|>
{%- endfor -%}
{%- if add_generation_prompt -%}<|start|>assistant:{%- endif -%}"""
ENDLESS = """\
{%- for m in messages -%}{{ m.role + ': ' + m.content + '\n' }}{%- endfor -%}
{%- if add_generation_prompt -%}{{ 'assistant:' }}{%- endif -%}"""

TALK = [turn("user", "hi you"), turn("assistant", "hello"), turn("user", "bye"), turn("assistant", "see you")]


@pytest.fixture(scope="module")
def tokenizer():
    """Byte-level, with the special tokens of several templates."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *letters])}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="</s>", additional_special_tokens=list(SPECIAL[2:])
    )


def chat(tokenizer, source):
    return ChatTokenizer(Template(tokenizer, source))


def learnt(reader, turns, **options):
    """The texts of the answers, by their numbers."""
    found = reader.tokens(lay_out(reader.template, turns, **options))
    decode = reader.template.processor.decode
    return {
        number: decode([token for token, of in zip(found.ids, found.answers, strict=True) if of == number])
        for number in sorted(set(found.answers) - {0})
    }


def test_chatml_learns_answers_with_their_ends(tokenizer):
    assert learnt(chat(tokenizer, CHATML), TALK) == {1: "hello<|end|>", 2: "see you<|end|>"}


def test_llama_2_learns_what_follows_the_instruction(tokenizer):
    assert learnt(chat(tokenizer, LLAMA2), TALK) == {1: " hello </s>", 2: " see you </s>"}


def test_the_plain_template_needs_nothing_but_an_end_token(tokenizer):
    assert learnt(chat(tokenizer, DEFAULT), TALK) == {1: " hello</s>", 2: " see you</s>"}
    rendered = lay_out(Template(tokenizer, DEFAULT), [turn("system", "Be kind."), *TALK])
    assert rendered.text == (
        "<s>System: Be kind.\nUser: hi you\nAssistant: hello</s>\nUser: bye\nAssistant: see you</s>\n"
    )


def test_a_separator_ends_answers_where_there_is_no_end_token():
    reader = ChatTokenizer(Template.of(toys.decoder_base(), "auto"))
    assert reader.ends == (toys.decoder_base().processor.sep_token_id,)
    found = reader.tokens(lay_out(reader.template, [turn("user", "card"), turn("assistant", "cash")]))
    words = reader.template.processor.convert_ids_to_tokens(found.ids)
    assert [word for word, number in zip(words, found.answers, strict=True) if number] == ["cash", "[SEP]"]


def test_only_the_last_answer_is_learnt_on_demand(tokenizer):
    assert learnt(chat(tokenizer, CHATML), TALK, last_only=True) == {2: "see you<|end|>"}


def test_an_answer_of_weight_0_is_context(tokenizer):
    turns = [TALK[0], turn("assistant", "hello", weight=0), *TALK[2:]]
    assert learnt(chat(tokenizer, CHATML), turns) == {2: "see you<|end|>"}


def test_a_prompt_is_the_beginning_of_what_is_learnt(tokenizer):
    for source in (CHATML, LLAMA2, DEFAULT):
        reader = chat(tokenizer, source)
        whole = reader.tokens(lay_out(reader.template, TALK))
        prompt = reader.tokens(lay_out_prompt(reader.template, TALK[:3]))
        first = whole.answers.index(2)
        assert prompt.ids == whole.ids[:first]


def test_tool_calls_are_learnt_and_results_are_not(tokenizer):
    call = {"function": {"name": "weather", "arguments": {"city": "Oslo"}}}
    tools = turn_of({"role": "tools", "content": [{"name": "weather", "parameters": {}}]})
    turns = [
        tools,
        turn("user", "weather?"),
        turn_of({"role": "assistant", "content": None, "tool_calls": [call]}),
        turn("tool", '{"degrees": 3}'),
        turn("assistant", "cold"),
    ]
    for source in (CHATML, DEFAULT):
        found = learnt(chat(tokenizer, source), turns)
        assert '"name": "weather"' in found[1]
        assert '"Oslo"' in found[1]
        assert "degrees" not in found[1] + found[2]
        assert found[2].strip().removesuffix("<|end|>").removesuffix("</s>").strip() == "cold"


def test_special_tokens_that_a_turn_spells_out_are_text(tokenizer):
    reader = chat(tokenizer, CHATML)
    turns = [turn("user", "what is <|end|> for?"), turn("assistant", "<|end|> ends a turn")]
    found = reader.tokens(lay_out(reader.template, turns))
    end = tokenizer.convert_tokens_to_ids("<|end|>")
    assert found.ids.count(end) == 2, "one after each turn"
    assert learnt(reader, turns) == {1: "<|end|> ends a turn<|end|>"}
    assert found.answers[len(found.ids) - 1 - found.ids[::-1].index(end)] == 1, "the end is learnt"


@pytest.mark.parametrize(
    ("source", "turns", "reason"),
    [
        (LLAMA2, [turn("system", "Be kind."), *TALK], "template fails .Only user and assistant"),
        ("{% for m in messages %}{{ m.content[:3] }}<|end|>{% endfor %}", TALK, "leaves out or changes turn 1"),
        (
            "{% for m in messages if m.role != 'system' %}{{ m.content }}<|end|>{% endfor %}",
            [turn("system", "Be kind."), *TALK],
            r"leaves out or changes turn 1 \(role 'system': 'Be kind.'\)",
        ),
        (ENDLESS, TALK, "no special token after an answer"),
        ("{{ messages | length / 0 }}", TALK, "template fails"),
        ("{% for m in messages %}{{ m.nothing.at_all }}{% endfor %}", TALK, "template fails"),
        ("{% if", TALK, "template fails"),
        (
            FORGETFUL,
            [TALK[0], turn("assistant", "<think>hm</think>hello"), *TALK[2:]],
            "writes the turns up to 2 otherwise",
        ),
        (LLAMA2.replace("raise_exception", "str"), TALK[:1] + TALK[1:2], None),
    ],
)
def test_what_a_template_cannot_write_is_refused(tokenizer, source, turns, reason):
    if reason is None:
        assert learnt(chat(tokenizer, source), turns)
        return
    with pytest.raises(Unrenderable, match=reason):
        chat(tokenizer, source).tokens(lay_out(Template(tokenizer, source), turns))


def test_a_template_that_forgets_thoughts_is_fine_where_there_is_nothing_to_forget(tokenizer):
    assert learnt(chat(tokenizer, FORGETFUL), TALK) == {1: "hello<|end|>", 2: "see you<|end|>"}


def test_tools_that_a_template_ignores_are_refused(tokenizer):
    tools = turn_of({"role": "tools", "content": [{"name": "weather"}]})
    with pytest.raises(Unrenderable, match="definition of the tool 'weather'"):
        lay_out(Template(tokenizer, LLAMA2), [tools, *TALK])


def test_a_base_without_an_end_token_is_refused():
    processor = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, unk_token="a")))
    base = Base(Card("endless", "text", "gpt2", 16, pretrained=False), toys.decoder_base().config, processor)
    with pytest.raises(CapabilityError, match="neither a chat template nor an end"):
        Template.of(base, "auto")


def test_the_bases_own_template_goes_first(tokenizer):
    base = families.gpt2()
    base.processor.chat_template = CHATML
    assert Template.of(base, "auto").source is None
    assert Template.of(base, "default").source == DEFAULT


class TestTooLong:
    def test_the_oldest_exchange_goes_first_and_the_system_stays(self, tokenizer):
        reader = chat(tokenizer, DEFAULT)
        turns = [turn("system", "Be kind."), *TALK]
        whole = len(reader.tokens(lay_out(reader.template, turns)).ids)
        cut = reader.conversation(turns, whole - 1, last_only=False)
        assert tokenizer.decode(cut.chat.ids) == "<s>System: Be kind.\nUser: bye\nAssistant: see you</s>\n"
        assert (cut.whole, set(cut.chat.answers)) == (whole, {0, 1})

    @pytest.mark.parametrize("length", [2, 3, 7, 20])
    def test_something_of_the_answer_is_always_kept(self, tokenizer, length):
        reader = chat(tokenizer, DEFAULT)
        long = [turn("user", "a question " * 20), turn("assistant", "an answer " * 20)]
        cut = reader.conversation(long, length, last_only=False)
        assert len(cut.chat.ids) == length < cut.whole
        kept = cut.chat.answers.count(1)
        assert kept == length - length // 2
        assert cut.chat.answers == [0] * (length - kept) + [1] * kept
        prompt = reader.prompt(long[:1], length)
        assert tokenizer.decode(prompt.chat.ids) == reader.template.text(long[:1], prompt=True)[-length:]
        assert prompt.chat.ids[-(length - kept) :] == cut.chat.ids[: length - kept], "the end of the prompt is kept"

    def test_a_short_answer_is_kept_whole_with_its_end(self, tokenizer):
        reader = chat(tokenizer, DEFAULT)
        cut = reader.conversation([turn("user", "a question " * 20), turn("assistant", "yes")], 12, last_only=False)
        assert tokenizer.decode(cut.chat.ids).endswith(": yes</s>")
        assert cut.chat.answers.count(1) == len(" yes") + 1
