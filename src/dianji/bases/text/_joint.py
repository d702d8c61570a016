"""One tokenizer for sources and targets: what it reads it can write again, which tokenizers for classification cannot.

Case, full-width signs and accents stay as they are (NFC, not NFKC), and byte-level BPE has no unknown characters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from dianji.bases.text._unigram import train_unigram
from dianji.errors import DataError

JointKind = Literal["bpe", "unigram"]

PAD, UNKNOWN, FIRST, LAST = SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
#: Smallest vocabulary: all 256 bytes.
SMALLEST = len(SPECIAL) + 256


def train_joint_tokenizer(
    texts: Sequence[str], kind: JointKind, vocabulary: int, length: int
) -> PreTrainedTokenizerFast:
    """A tokenizer of at most ``vocabulary`` tokens that ends each text with ``[SEP]``; a function of the texts.

    Raises:
        DataError: there is nothing but empty texts.
    """
    if not any(text.strip() for text in texts):
        raise DataError(
            f"there is no text to train a tokenizer on: all {len(texts)} sources and targets of the training split are "
            "empty. Check which columns 'text' and 'target' are mapped to."
        )
    tokenizer = _bpe(texts, vocabulary) if kind == "bpe" else _unigram(texts, vocabulary)
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {LAST}", pair=f"$A {LAST} $B:1 {LAST}:1", special_tokens=[(LAST, tokenizer.token_to_id(LAST))]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # transformers leaves it unannotated
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        bos_token=FIRST,
        eos_token=LAST,
        model_max_length=length,
        clean_up_tokenization_spaces=False,
    )


def _bpe(texts: Sequence[str], vocabulary: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _unigram(texts: Sequence[str], vocabulary: int) -> Tokenizer:
    normalizer, splitter = normalizers.NFC(), pre_tokenizers.Metaspace()
    words: Counter[str] = Counter()
    for text in texts:
        words.update(word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    pieces = train_unigram(words, vocabulary - len(SPECIAL))
    tokenizer = Tokenizer(
        models.Unigram([*((token, 0.0) for token in SPECIAL), *pieces], unk_id=SPECIAL.index(UNKNOWN))
    )
    tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder = normalizer, splitter, decoders.Metaspace()
    return tokenizer
