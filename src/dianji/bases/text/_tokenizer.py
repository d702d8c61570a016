"""Tokenizers trained on a stage's own texts: WordPiece, byte-level BPE, Unigram, or single characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from dianji.bases.text._script import ALONE, written_without_spaces
from dianji.bases.text._unigram import train_unigram
from dianji.errors import DataError

TokenizerKind = Literal["auto", "wordpiece", "bpe", "unigram", "characters"]

PAD, UNKNOWN, FIRST, LAST, MASK = SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
#: Marks a token that goes on with the word of the one before.
CONTINUES = "##"
#: Smallest vocabularies: byte-level BPE has all 256 bytes.
SMALLEST = {"bpe": len(SPECIAL) + 256}


def train_tokenizer(
    texts: Sequence[str], kind: TokenizerKind, vocabulary: int, length: int, *, lowercase: bool
) -> PreTrainedTokenizerFast:
    """A tokenizer of at most ``vocabulary`` tokens; the same texts give the same bytes when it is saved.

    Raises:
        DataError: there is nothing but empty texts.
    """
    if not any(text.strip() for text in texts):
        raise DataError(
            f"there is no text to train a tokenizer on: all {len(texts)} texts of the training split are empty. "
            "Check which column 'text' is mapped to."
        )
    if kind == "auto":
        kind = "characters" if written_without_spaces(texts) else "wordpiece"
    tokenizer = _TRAIN[kind](texts, vocabulary, lowercase)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{FIRST} $A {LAST}",
        pair=f"{FIRST} $A {LAST} $B:1 {LAST}:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (FIRST, LAST)],
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # transformers leaves it unannotated
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        cls_token=FIRST,
        sep_token=LAST,
        mask_token=MASK,
        model_max_length=length,
        clean_up_tokenization_spaces=False,
        split_special_tokens=True,  # those that a text spells out are text
    )


def _wordpiece(texts: Sequence[str], vocabulary: int, lowercase: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    # A third of the vocabulary at most for bare characters, which come twice: at the start of a word and inside.
    alphabet = _alphabet(tokenizer, texts)[: (vocabulary - len(SPECIAL)) // 3]
    # The trainer numbers continuations in the order of a hash map, which differs from process to process, and breaks
    # ties by these numbers. Naming them beforehand, in order, makes it deterministic.
    inner = [CONTINUES + character for character in alphabet if _joins(tokenizer, character)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary,
        special_tokens=[*SPECIAL, *inner],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        continuing_subword_prefix=CONTINUES,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = models.WordPiece(vocab=tokenizer.get_vocab(), unk_token=UNKNOWN, continuing_subword_prefix=CONTINUES)
    return _finished(tokenizer, model, decoders.WordPiece(prefix=CONTINUES, cleanup=False))


def _bpe(texts: Sequence[str], vocabulary: int, lowercase: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = _normalizer(lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _finished(tokenizer, tokenizer.model, decoders.ByteLevel())


def _unigram(texts: Sequence[str], vocabulary: int, lowercase: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = _normalizer(lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    words: Counter[str] = Counter()
    for text in texts:
        normal = tokenizer.normalizer.normalize_str(text)
        words.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal))
    pieces = train_unigram(words, vocabulary - len(SPECIAL))
    model = models.Unigram([*((token, 0.0) for token in SPECIAL), *pieces], unk_id=SPECIAL.index(UNKNOWN))
    return _finished(tokenizer, model, decoders.Metaspace())


def _single_characters(texts: Sequence[str], vocabulary: int, lowercase: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = _normalizer(lowercase)
    # Chinese and Japanese characters and punctuation are words of their own; the letters of any other word are told
    # apart from its start by "##", and stay together in word_ids(), which whole-word masking needs.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Punctuation("isolated"),
            pre_tokenizers.Split(Regex(ALONE), "isolated"),
        ]
    )
    tokens = list(SPECIAL)
    for character in _alphabet(tokenizer, texts):
        tokens += [character, CONTINUES + character] if _joins(tokenizer, character) else [character]
    vocab = {token: number for number, token in enumerate(tokens[:vocabulary])}
    # BPE without a single merge: each character is looked up by itself, and an unknown one stays one unknown token.
    model = models.BPE(vocab=vocab, merges=[], unk_token=UNKNOWN, continuing_subword_prefix=CONTINUES, fuse_unk=False)
    return _finished(tokenizer, model, decoders.WordPiece(prefix=CONTINUES, cleanup=False))


_TRAIN = {"wordpiece": _wordpiece, "bpe": _bpe, "unigram": _unigram, "characters": _single_characters}


def _normalizer(lowercase: bool) -> normalizers.Normalizer:
    return normalizers.Sequence([normalizers.NFKC(), *([normalizers.Lowercase()] if lowercase else [])])


def _alphabet(tokenizer: Tokenizer, texts: Sequence[str]) -> list[str]:
    """Every character but spaces after normalisation, the most frequent first; ties in the order of Unicode."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(tokenizer.normalizer.normalize_str(text))
    return sorted((item for item in counts if not item.isspace()), key=lambda item: (-counts[item], item))


def _joins(tokenizer: Tokenizer, character: str) -> bool:
    """Whether the character can stand inside a word."""
    return len(tokenizer.pre_tokenizer.pre_tokenize_str("a" + character)) == 1


def _finished(trained: Tokenizer, model: models.Model, decoder: decoders.Decoder) -> Tokenizer:
    """The trained model without what only training needed."""
    tokenizer = Tokenizer(model)
    tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder = (
        trained.normalizer,
        trained.pre_tokenizer,
        decoder,
    )
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer
