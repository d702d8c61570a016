"""Encodings that neither a mark nor UTF-8 tells: read right, or refused with candidates."""

from __future__ import annotations

import io
import sys

import pytest

from dianji.data.encoding import decode, recognise
from dianji.data.findings import Findings
from dianji.data.read import open_stream, rows
from dianji.data.recognition import guess
from dianji.data.source import Place
from dianji.errors import DataError, RecipeError
from dianji.spec.sections import Recipe
from tests.data.helpers import TEXT, read

KOREAN = "text,label\n카드를 잃어버렸는데 어떻게 해야 하나요,lost\n대출 금리가 얼마인지 알고 싶습니다,loan\n"
JAPANESE = "text,label\nカードをなくしました。どうすればいいですか,lost\n金利はいくらですか。教えてください,loan\n"
RUSSIAN = "text,label\nЯ потерял свою карту, что мне делать,lost\nКакая процентная ставка по кредиту,loan\n"
CHINESE = "text,label\n信用卡丢了怎么办，请帮我挂失,card\n我想申请一笔贷款，利率是多少？,loan\n"
TRADITIONAL = "text,label\n信用卡丟了怎麼辦，請幫我掛失,card\n我想申請一筆貸款，利率是多少？,loan\n"
UKRAINIAN = "Я загубив свою картку, що мені робити\nЯка процентна ставка за кредитом\n"
GREEK = "Έχασα την κάρτα μου, τι πρέπει να κάνω\nΠοιο είναι το επιτόκιο του δανείου\n"
HEBREW = "איבדתי את הכרטיס שלי, מה לעשות\nמה הריבית על ההלוואה\n"
ARABIC = "لقد فقدت بطاقتي، ماذا أفعل\nما هو سعر الفائدة على القرض\n"
THAI = "ฉันทำบัตรหาย ต้องทำอย่างไร\nอัตราดอกเบี้ยเงินกู้เท่าไหร่\n"
POLISH = "Zgubiłem kartę, co mam zrobić? Proszę o zastrzeżenie\nJaka jest stopa procentowa pożyczki\n"
CZECH = "Ztratil jsem kartu, co mám dělat? Prosím o zablokování\nJaká je úroková sazba půjčky\n"
TURKISH = "Kartımı kaybettim, ne yapmalıyım? Lütfen yardım edin, şifremi değiştirmek istiyorum\n"
LITHUANIAN = "Pamečiau savo kortelę, ką daryti? Prašau užblokuoti\n"
FRENCH = "J'ai perdu ma carte à Paris, où dois-je appeler? Ça m'a coûté très cher\n"

CASES = [
    (KOREAN, "euc_kr", "euc-kr"),
    (KOREAN, "cp949", "euc-kr"),
    (KOREAN, "johab", "johab"),
    (KOREAN, "utf-16-le", "utf-16"),
    ("안녕하세요\n", "euc_kr", "euc-kr"),
    (JAPANESE, "shift_jis", "shift_jis"),
    (JAPANESE, "euc_jp", "euc-jp"),
    (JAPANESE, "iso2022_jp", "iso-2022-jp"),
    ("カードを紛失しました\n", "shift_jis", "shift_jis"),
    (RUSSIAN, "cp1251", "windows-1251"),
    (RUSSIAN, "koi8_r", "koi8-r"),
    (RUSSIAN, "cp866", "cp866"),
    (RUSSIAN, "iso8859_5", "iso-8859-5"),
    (RUSSIAN, "utf-16-le", "utf-16"),
    ("Привет мир\n", "cp1251", "windows-1251"),
    (UKRAINIAN, "cp1251", "windows-1251"),
    (CHINESE, "gb2312", "gb18030"),
    (CHINESE, "gbk", "gb18030"),
    (CHINESE, "utf-16-be", "utf-16"),
    (TRADITIONAL, "big5", "big5"),
    (TRADITIONAL, "gb18030", "gb18030"),
    (GREEK, "cp1253", "windows-1253"),
    (HEBREW, "cp1255", "windows-1255"),
    (ARABIC, "cp1256", "windows-1256"),
    (THAI, "tis_620", "cp874"),
    (POLISH, "cp1250", "windows-1250"),
    (CZECH, "iso8859_2", "windows-1250"),
    (TURKISH, "cp1254", "windows-1254"),
    (LITHUANIAN, "cp1257", "windows-1257"),
    (FRENCH, "cp850", "cp850"),
    (FRENCH, "mac_roman", "mac-roman"),
]


@pytest.mark.parametrize(
    ("text", "codec", "name"), CASES, ids=[f"{codec}-{n}" for n, (_, codec, _) in enumerate(CASES)]
)
def test_text_of_many_encodings_is_read_right_and_the_guess_is_said(text, codec, name):
    findings = Findings()
    assert decode(Place("-", "toy.csv", content=text.encode(codec)), "auto", findings) == text
    assert findings.encodings == {"toy.csv": name}
    certain = name in ("utf-16", "gb18030", "iso-2022-jp")
    assert [f"read as {name}" in warning for warning in findings.warnings] == [True] * (not certain)


@pytest.mark.parametrize(("text", "codec", "name"), CASES[:12:2])
def test_a_stream_reads_what_the_whole_file_gives(tmp_path, text, codec, name):
    path = tmp_path / "toy.txt"
    path.write_bytes(("plain ascii\n" * 3 + text).encode(codec) if codec != "utf-16-le" else text.encode(codec))
    chunks = [text for chunk in open_stream(str(path), TEXT, {}).chunks() for text in chunk["text"].to_pylist()]
    assert chunks == rows(str(path), TEXT)["text"].to_pylist()
    assert text.splitlines()[-1] in chunks


@pytest.mark.parametrize(
    ("data", "candidates"),
    [
        ("東京都港区\n大阪府大阪市\n".encode("shift_jis"), "shift_jis ('東京都港区')"),
        (bytes(range(0x80, 0x100)) * 3, "the encoding cannot be told"),
        (RUSSIAN.encode("mac_cyrillic"), "mac-cyrillic ('Я потерял свою карту"),
    ],
)
def test_what_cannot_be_told_is_refused_with_candidates(data, candidates):
    with pytest.raises(DataError, match="Name it: encoding: ") as caught:
        decode(Place("-", "toy.csv", content=data), "auto", Findings())
    assert candidates in str(caught.value)


def test_a_few_accents_are_latin_and_said():
    for text in ("I was at the café\n", "it costs 5 € a day\n", "smart “quotes”\n"):
        findings = Findings()
        assert decode(Place("-", "toy.csv", content=text.encode("cp1252")), "auto", findings) == text
        assert len(findings.warnings) == 1


@pytest.mark.parametrize("name", ["shift_jis", "EUC-KR", "windows-1251", "cp037", "utf8", "mac-roman"])
def test_every_codec_of_python_can_be_named(tmp_path, name):
    text = {"shift_jis": "東京都", "EUC-KR": "카드", "windows-1251": "карта", "mac-roman": "café"}.get(name, "card")
    (tmp_path / "a.txt").write_bytes("\n".join([f"{text} {number}" for number in range(12)]).encode(name))
    loaded = read(str(tmp_path / "a.txt"), TEXT, format="text", encoding=name)
    assert loaded.splits["train"]["text"][0].as_py().startswith(text)


@pytest.mark.parametrize("name", ["utf9", "base64", "rot13", "idna-no", ""])
def test_what_is_no_text_encoding_is_refused_in_the_recipe(name):
    recipe = {"name": "x", "base": "minilm", "data": {"d": {"path": "a.csv", "encoding": name}}}
    with pytest.raises(RecipeError, match="a text encoding that Python knows"):
        Recipe.parse(recipe | {"stages": {"s": {"task": "masked-language", "data": "d"}}})


def test_warnings_of_standard_input_are_not_lost(monkeypatch):
    content = RUSSIAN.replace("text,label\n", "").encode("cp1251")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))))
    stream = open_stream("-", TEXT, {})
    assert sum(chunk.num_rows for chunk in stream.chunks()) == 2
    assert any("read as windows-1251" in warning for warning in stream.warnings)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    told: list[str] = []
    rows("-", TEXT, warn=told.append)
    assert any("read as windows-1251" in warning for warning in told)


def test_of_more_bytes_than_are_compared_the_right_ones_are():
    text = "plain ascii\n" * 50_000 + RUSSIAN * 3
    assert recognise(text.encode("cp1251")) == "cp1251"
    assert guess(b"").codec
