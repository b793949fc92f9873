"""A WordPiece tokenizer constructed from texts, without any randomness."""

import json
import re
import string
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

from servers.classifier.errors import ClassifierError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD_ID = 0
_MIN_WORD_COUNT = 3
_PUNCTUATION = "，。？！、：；（）《》“”‘’…￥·—"
_ENDINGS = ("s", "es", "ed", "ing", "er", "est", "ly", "ion", "able", "ment", "ness", "al")


def build_vocabulary(texts: Iterable[str], padded_to: int | None = None) -> list[str]:
    """Tokens in the order of their ids; [unusedN] entries fill up to padded_to when given."""
    word_counts = Counter(word for text in texts for word in re.findall(r"[a-z]+", text.lower()))
    words = [word for word, count in word_counts.most_common() if count >= _MIN_WORD_COUNT]
    characters = [c for c in string.printable if not c.isspace() and not c.isupper()]
    seen_ideographs = sorted({c for text in texts for c in text if "\u4e00" <= c <= "\u9fff"})
    tokens = [
        *SPECIAL_TOKENS,
        *characters,
        *(f"##{c}" for c in characters),
        *(f"##{ending}" for ending in _ENDINGS),
        *_PUNCTUATION,
        *_common_ideographs(),
        *seen_ideographs,
        *sorted(words),
    ]
    vocabulary = list(dict.fromkeys(tokens))
    if padded_to is None:
        return vocabulary
    if len(vocabulary) > padded_to:
        raise ClassifierError(
            f"expected at most {padded_to} tokens, the corpus yields {len(vocabulary)}: "
            "raise _MIN_WORD_COUNT."
        )
    return vocabulary + [f"[unused{n}]" for n in range(padded_to - len(vocabulary))]


def _common_ideographs() -> list[str]:
    """The 3755 most used Chinese characters: level one of the standard GB 2312."""
    cells = (bytes((row, cell)) for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF))
    return [c for c in (cell.decode("gb2312", errors="ignore") for cell in cells) if c]


def save_tokenizer(vocabulary: list[str], model_dir: Path, max_length: int) -> None:
    """Writes tokenizer.json and tokenizer_config.json as transformers reads them for BERT."""
    ids = {token: index for index, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"])
    )
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.save(str(model_dir / "tokenizer.json"))
    config = {
        "tokenizer_class": "BertTokenizerFast",
        "do_lower_case": True,
        "model_max_length": max_length,
        **{f"{token[1:-1].lower()}_token": token for token in SPECIAL_TOKENS},
    }
    (model_dir / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
