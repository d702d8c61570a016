"""How plausible a decoded text is: letters that are common in some language, in places where letters stand.

A wrong encoding gives rare characters, symbols inside words, capitals after small letters, or runs of accented letters;
the right one gives mostly the commonest characters of a language.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: Characters beyond ASCII that are looked at; more change nothing but the time it takes.
_SAMPLE = 20_000

_HANS = (
    "的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能对小多然于心学么之都好"
    "看起发当没成只如事把还用第样道想作种开美总从无情己面最女但现前些所同日手又行意动方期它头经长儿回位分爱老因很给名法间斯知世"
    "什两次使身者被高已亲其进此话常与活正感见明问力理尔点文几定本公特做外孩相西果走将月十实向声车全信重三机工物气每并别真打太"
    "新比才便夫再书部水像眼等体却加电主界门利海受听表德少克代员许先口由死安写性马光白或住难望教命花结乐色更拉东神记处让母父应"
    "直字场平报友关放至张认接告入笑内英军候民岁往何度山觉路带万男边风解叫任金快原吃变通师立象数四失满战远格士音轻目条请问卡银"
    "款钱账办申订单退货还贷借费查询申请信用怎么收到商品质量客服充值密码登录支付转换号码服务产品喜欢非常差评推荐物流速度"
)
_HANT = (
    "的一是了我不人在他有這個上們來到時大地為子中你說生國年著就那和要她出也得裡後自以會家可下而過天去能對小多然於心學麼之都好"
    "看起發當沒成只如事把還用第樣道想作種開美總從無情己面最女但現前些所同日手又行意動方期它頭經長兒回位分愛老因很給名法間斯知世"
    "什兩次使身者被高已親其進此話常與活正感見明問力理爾點文幾定本公特做外孩相西果走將月十實向聲車全信重三機工物氣每並別真打太"
    "新比才便夫再書部水像眼等體卻加電主界門利海受聽表德少克代員許先口由死安寫性馬光白或住難望教命花結樂色更拉東神記處讓母父應"
    "直字場平報友關放至張認接告入笑內英軍候民歲往何度山覺路帶萬男邊風解叫任金快原吃變通師立象數四失滿戰遠格士音輕目條請問卡銀"
    "款錢賬帳辦申訂單退貨還貸借費查詢申請信用怎麼收到商品質量客服充值密碼登錄支付轉換號碼服務產品喜歡非常差評推薦物流速度"
)
_KANJI = (
    "日一国人年大十二本中長出三時行見月分後前生五間上東四今金九入学高円子外八六下来左気小七山話女北午百書先名川千水半男西電校"
    "語土木聞食車何南万毎白天母火右読友休父雨会同事自社発者地業方新場員立開手力問代明動京目通言理体田主題意不作用度強公持野以"
    "思家世多正安院心界教文元重近考画海売知道集別物使品計死特私始朝運終台広住真有口少町料工建空急止送切転研足究楽起着店病質待"
    "試族銀早映親験英医仕去味写字答夜音注帰古歌買悪図週室歩風紙黒花春赤青館屋色走秋夏習駅洋旅服夕借曜飲肉貸堂鳥飯勉冬昼茶弟牛"
    "魚兄犬妹姉漢確認届請求払込番号変更登録利用残高口座振込返金配達商品注文状況予約対応無効期限再発行紛失盗難暗証"
)
_HANGUL = (
    "이다는을가에의고한로하은지를기도사어나자리인대그시아있서해것일정과스만전라부들수여보게상제주면구마우원니으동등성조장선세적오비"
    "안요할데방학국공신러무드안간진위중문소실유거연생년모까물계미화말분른없내호트입또금드카용했습및관경터던려습저치합네된회명심운"
    "음개와작업결통단반약재현행출때너바통번당발속불프체타더직날십교상품배송환불고객센터신청계좌이체확인요청방법언제어떻게되나요"
    "해주세요감사합니다안녕하좋아했었았였을까습니카드대출분실재발급비밀번호로그인송금내역"
)
#: Letters beyond ASCII of languages in Latin script; those of one language stand together in a text.
_ACCENTS = {
    "west": ["äöüß", "éèàçêëîïôûùœæ", "áéíóúñü¿¡ºª", "áâãàçéêíóôõú", "àèéìòù", "åäö", "æøå", "ëïéèö", "áðéíóúýþæö"],
    "centre": ["ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîșțşţ", "čćđšž"],
    "turkish": ["çğıöşüâîİ"],
    "baltic": ["ąčęėįšųūž", "āčēģīķļņšūž", "õäöüšž"],
    "vietnamese": ["àáâãèéêìíòóôõùúýăđĩũơư\u0300\u0301\u0303\u0309\u0323"],
}
_COMMON: Mapping[str, frozenset[str]] = {
    "han-simplified": frozenset(_HANS),
    "han-traditional": frozenset(_HANT),
    "japanese": frozenset(_KANJI),
    "korean": frozenset(_HANGUL),
    "cyrillic": frozenset("оеаинтсрвлкмдпуяьызбгчй" + "іїє"),
    "greek": frozenset("αοιετσνηυρπκμλςάίόέήώύ"),
    "hebrew": frozenset("יוהלאתרבשמנםדקחעכפ"),
    "arabic": frozenset("اليمونرتبةهعدسفكأقح"),
    "thai": frozenset("านรอกเงมยลวดทสตะัิี่้ปคบหแจพชใไขณผถฉซธึืุู็์โ"),
}
_KANA = frozenset(chr(code) for code in (*range(0x3041, 0x3097), *range(0x30A1, 0x30FB), 0x30FC))
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_KOREAN = re.compile(r"[\uac00-\ud7a3]")
#: Signs that stand between words in any language.
_TYPOGRAPHY = frozenset("“”‘’„«»–—…•·€£§°©®™ \u2010\u2013\u2014\u2018\u2019\u201c\u201d№")
_WIDE = re.compile(r"[\u3000-\u301f\u30fb\uff01-\uff5e\uffe5\u2026\u2014]")


@dataclass(frozen=True)
class Writing:
    """What text of one writing looks like: common characters, and other letters that it has."""

    common: frozenset[str]
    belongs: Callable[[str], bool]
    #: Whether words are mostly ASCII letters, with single others between them.
    accented: bool = False
    #: Whether its letters stand beside ASCII letters in one word.
    mixes: bool = False
    #: What a letter that belongs but is not common is worth.
    rare: float = 0.3

    def score(self, text: str) -> float:
        """Mean over the characters beyond ASCII, at most 1; below 0 for what no text of this writing is."""
        total, seen = 0.0, 0
        for run in re.finditer(r"[^\x00-\x7f]+", text):
            characters = run.group()
            before = text[run.start() - 1 : run.start()]
            after = text[run.end() : run.end() + 1]
            long = self.accented and len(characters) > 2
            for place, character in enumerate(characters):
                left = characters[place - 1] if place else before
                right = characters[place + 1] if place + 1 < len(characters) else after
                total += -1.0 if long and character.isalpha() else self._worth(character, left, right)
            seen += len(characters)
            if seen >= _SAMPLE:
                break
        return total / seen if seen else 1.0

    def _worth(self, character: str, left: str, right: str) -> float:
        if unicodedata.category(character) in ("Cc", "Cn", "Co", "Cs"):
            return -3.0
        if character in self.common and not character.isalpha() and not left.isalpha():
            return 1.0
        if character in _TYPOGRAPHY or _WIDE.match(character):
            inside = left.isalpha() and right.isalpha() and character not in "’·\u2019\u2014\u30fb" and left < "\u2e80"
            return -1.5 if inside else 0.9
        if not character.isalpha() and not unicodedata.combining(character):
            return -1.5 if left.isalpha() or right.isalpha() else -0.5
        if character.isupper() and left.islower():
            return -1.0
        if not self.mixes and (_ascii_letter(left) or _ascii_letter(right)):
            return -1.0
        if character.isupper() and left.isupper():
            return 0.3  # words in capitals are rarer than their reading as another alphabet
        if character in self.common or character.lower() in self.common:
            return 1.0
        return self.rare if self.belongs(character) else -1.0


def _block(first: int, last: int) -> Callable[[str], bool]:
    return lambda character: first <= ord(character) <= last


def _ascii_letter(character: str) -> bool:
    return character.isascii() and character.isalpha()


def _is_han(character: str) -> bool:
    return bool(_HAN.match(character))


def _is_korean(character: str) -> bool:
    return bool(_KOREAN.match(character))


def _latin(character: str) -> bool:
    return "\u00c0" <= character <= "\u024f"


#: Script -> its writings, one for each language that has letters of its own.
WRITINGS: Mapping[str, tuple[Writing, ...]] = {
    "han-simplified": (Writing(_COMMON["han-simplified"], _is_han, mixes=True, rare=0.0),),
    "han-traditional": (Writing(_COMMON["han-traditional"], _is_han, mixes=True, rare=0.0),),
    "japanese": (Writing(_COMMON["japanese"] | _KANA, _is_han, mixes=True, rare=0.0),),
    "korean": (Writing(_COMMON["korean"], _is_korean, mixes=True, rare=0.2),),
    "cyrillic": (Writing(_COMMON["cyrillic"], _block(0x400, 0x4FF), rare=-0.1),),
    "greek": (Writing(_COMMON["greek"], _block(0x370, 0x3FF), rare=-0.1),),
    "hebrew": (Writing(_COMMON["hebrew"], _block(0x590, 0x5FF), rare=-0.1),),
    "arabic": (Writing(_COMMON["arabic"], _block(0x600, 0x6FF), rare=-0.1),),
    "thai": (Writing(_COMMON["thai"], _block(0xE00, 0xE7F), rare=0.0),),
    **{
        name: tuple(Writing(frozenset(letters), _latin, accented=True, mixes=True, rare=-0.3) for letters in sets)
        for name, sets in _ACCENTS.items()
    },
}


def plausibility(text: str, script: str) -> float:
    """How plausible the text is in the likeliest language of a script, by its characters beyond ASCII; at most 1."""
    return max(writing.score(text) for writing in WRITINGS[script])
