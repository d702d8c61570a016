"""Which language texts are in: by script, and among Latin and Cyrillic ones by their commonest words. Rough."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

_WORDS = {
    "en": "the a of and to in is that it for you was with on are this be have not my what how do can from at as "
    "but i your has if will an they would there about when any get does did me we so or been had want need",
    "de": "der die das und ist nicht ich zu den mit ein eine auf für es im dem von sie wie auch wir aber sich "
    "des noch wird sind kann mein bei nach oder was",
    "fr": "le la les et est des une pas je que pour dans vous sur ce qui au avec du il ne mon plus mais nous "
    "sont ma par être elle cette comment ont c'est",
    "es": "el la los y es que de no en un una por con para se lo mi como está pero del más las al su me qué "
    "cómo muy este son tengo hay",
    "it": "il di che è la e non un per una in sono mi con ma si come del della ho da anche lo più le questo gli "
    "nel mio perché",
    "pt": "o e que de não é um uma para em com os se do da por mais no na eu como mas as meu você foi está "
    "são minha isso ao",
    "nl": "de het een en van is niet ik dat op te zijn met voor je er maar aan wat ook om mijn als bij dit "
    "hebben kan naar nog geen hoe",
    "pl": "nie i w na się że jest to z do jak co ale mi mnie tak o po czy za był już od dla tym moje są może przez",
    "sv": "och är att det som en på jag inte för med ett den av har kan till du men var om så min hur vi från "
    "när eller",
    "tr": "bir ve bu için ne da de mi çok ben var ama ile nasıl daha gibi benim değil olarak kadar sonra kart "
    "yok ya olan",
    "vi": "là và của không có tôi cho được này một những các với trong người đã để thì như khi bạn rất đó cũng",
    "id": "yang dan di itu ini saya tidak dengan untuk dari ada ke apa bisa akan kamu pada juga sudah saya "
    "karena bagaimana atau kartu",
    "ru": "и в не на что я с это как а по но он к из у за от так мне для было мы вы его все если моя есть или",
    "uk": "і в не на що я з це як а та у до він за від але для так мені є його ми ви все якщо або мій чи ні",
    "bg": "и на да се не за от е в с че по как ще са аз това но като съм до му си има моята или",
}
_FUNCTION_WORDS = {code: frozenset(words.split()) for code, words in _WORDS.items()}
#: Letters that hardly another language in the list uses; each counts like a word.
_LETTERS = {
    "de": "ß",
    "es": "ñ¿¡",
    "pt": "ãõ",
    "fr": "œêè",
    "pl": "łąęśż",
    "sv": "å",
    "tr": "ğış",
    "vi": "ơưạảấầậắặếềệốồộớờợụủứừựỉịđ",
    "ru": "ыэё",
    "uk": "іїєґ",
    "bg": "ѝ",
}
_LATIN = tuple(code for code in _WORDS if code not in ("ru", "uk", "bg"))
_CYRILLIC = ("ru", "uk", "bg")
_SCRIPTS = {
    "han": r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff",
    "kana": r"\u3040-\u30ff\u31f0-\u31ff",
    "hangul": r"\u1100-\u11ff\uac00-\ud7af",
    "cyrillic": r"\u0400-\u04ff",
    "ar": r"\u0600-\u06ff",
    "he": r"\u0590-\u05ff",
    "el": r"\u0370-\u03ff",
    "th": r"\u0e00-\u0e7f",
    "hi": r"\u0900-\u097f",
    "latin": r"A-Za-z\u00c0-\u024f\u1e00-\u1eff",
}
_SCRIPT_PATTERNS = {script: re.compile(f"[{ranges}]") for script, ranges in _SCRIPTS.items()}
#: Common characters that only one of the two Chinese scripts uses, pair by pair.
_SIMPLIFIED = frozenset(
    "们这国来时个为会说对发经学现动还没样问开进业无电长门见气体东车后书实点机关头应义乐买卖让请谢认识话语张钱银账单处边远运过"
)
_TRADITIONAL = frozenset(
    "們這國來時個為會說對發經學現動還沒樣問開進業無電長門見氣體東車後書實點機關頭應義樂買賣讓請謝認識話語張錢銀賬單處邊遠運過"
)

#: Texts that are looked at; more change nothing but the time it takes.
_SAMPLE = 2000
_CHARACTERS = 1000


def detect(texts: Sequence[str]) -> list[tuple[str, float]]:
    """Language codes with their share of the texts, the largest first; below 1 % left out.

    Chinese is ``zh-Hans`` or ``zh-Hant`` where its characters say so, else ``zh``; ``und`` stands for undecided.
    """
    step = max(1, len(texts) // _SAMPLE)
    sample = [text[:_CHARACTERS] for text in texts[::step] if text.strip()]
    counts = Counter(language_of(text) for text in sample)
    chinese = counts.pop("zh", 0)
    if chinese:
        counts[chinese_script(sample)] = chinese
    return [
        (code, round(count / len(sample), 4)) for code, count in counts.most_common() if count >= 0.01 * len(sample)
    ]


def language_of(text: str) -> str:
    """The code of one text; ``zh`` for Chinese of either script, ``und`` when unsure."""
    letters = {script: len(pattern.findall(text)) for script, pattern in _SCRIPT_PATTERNS.items()}
    total = sum(letters.values())
    if not total:
        return "und"
    if letters["kana"] > 0.1 * (letters["kana"] + letters["han"]) and letters["kana"] + letters["han"] > 0.3 * total:
        return "ja"
    if letters["hangul"] > 0.3 * total:
        return "ko"
    # A Chinese character is about a word, a Latin letter a quarter of one.
    if letters["han"] and letters["han"] >= 0.2 * total:
        return "zh"
    script = max(letters, key=lambda name: letters[name])
    if script == "latin":
        return _by_words(text, _LATIN)
    if script == "cyrillic":
        return _by_words(text, _CYRILLIC)
    return script if script not in ("han", "kana", "hangul") else "und"


def chinese_script(texts: Iterable[str]) -> str:
    """``zh-Hans`` or ``zh-Hant`` where nine in ten of the telling characters agree, else ``zh``."""
    counts = Counter(character for text in texts for character in text)
    simplified = sum(counts[character] for character in _SIMPLIFIED - _TRADITIONAL)
    traditional = sum(counts[character] for character in _TRADITIONAL - _SIMPLIFIED)
    if simplified + traditional == 0:
        return "zh"
    share = simplified / (simplified + traditional)
    return "zh-Hans" if share >= 0.9 else "zh-Hant" if share <= 0.1 else "zh"


def _by_words(text: str, candidates: Sequence[str]) -> str:
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", text.lower())
    letters = Counter(text.lower())
    hits = {
        code: sum(word in _FUNCTION_WORDS[code] for word in words)
        + sum(letters[sign] for sign in _LETTERS.get(code, ""))
        for code in candidates
    }
    best = max(hits, key=lambda code: hits[code])
    second = max(count for code, count in hits.items() if code != best)
    sure = hits[best] > second and hits[best] >= max(1, 0.08 * len(words))
    return best if sure else "und"
