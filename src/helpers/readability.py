"""How easily a text reads: Flesch's reading ease (1948), from words a sentence and syllables a word."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[\"'“‘(]?[A-Z0-9−-])|\n\s*\n|\n(?=\s*(?:\d+\.|[-*]) )")
_WORD = re.compile(r"[−-]?£?\d[\d,.]*\d%?|[−-]?£?\d%?|[A-Za-z]+(?:['’-][A-Za-z]+)*")


@dataclass(frozen=True)
class Reading:
    """A text's sentences, words and syllables, and what follows from them."""

    sentences: int
    words: int
    syllables: int
    longest: int  # words in the longest sentence

    @property
    def words_a_sentence(self) -> float:
        """Words in a sentence, on average."""
        return self.words / self.sentences

    @property
    def ease(self) -> float:
        """Flesch's reading ease: 100 very easy, 60 to 70 plain English, 30 to 50 hard, below 30 for specialists."""
        return 206.835 - 1.015 * self.words_a_sentence - 84.6 * self.syllables / self.words


def syllables(word: str) -> int:
    """Syllables of an English word, by its groups of vowels. A number counts as one, as in common tools."""
    text = re.sub(r"['’]s?$", "", word.lower())
    if not re.search(r"[a-z]", text):
        return 1
    if sum(letter.isupper() for letter in word) > 1:
        return 1 if word == "SEND" else len(word)  # DfE is said letter by letter
    if "-" in text:
        return sum(syllables(part) for part in text.split("-") if part)
    count = len(re.findall(r"[aeiouy]+", text))
    silent = re.search(r"[^aeiouyl]e$|[aeiouy]le$|[^aeiouydt]ed$|[^aeiouysxzhcg]es$", text)  # made, whole, owed, plates
    count -= bool(silent)
    count += len(re.findall(r"ia(?!l\b|n\b)|[^aeioutcs]ie[rn](?!d)|scie|eas?$|eate|uou|iu", text))
    return max(count, 1)


def measure(text: str) -> Reading:
    """Reading of plain text. Blank lines and list items end a sentence. Raises ValueError for a text without words."""
    found = [_WORD.findall(sentence) for sentence in _SENTENCE.split(text)]
    lengths = [words for words in found if len(words) > 1]
    if not lengths:
        raise ValueError("There are no sentences to measure.")
    words = [word for sentence in lengths for word in sentence]
    return Reading(len(lengths), len(words), sum(map(syllables, words)), max(map(len, lengths)))


def plain(markdown: str) -> str:
    """The words of a manuscript's Markdown: no headings (nor bold ones that begin a paragraph), figures, citations, links or marks."""
    text = re.sub(r"(?ms)^:::.*?^:::$", "", markdown)
    text = re.sub(r"(?m)^#+ .*$", "", text)
    text = re.sub(r"(?m)^(\s*(?:\d+\. )?)\*\*[^*]+\*\*", r"\1", text)  # a heading run into its paragraph
    text = re.sub(r"\s*\[@[^\]]*\]", "", text)
    text = re.sub(r"\[([^\]]*)\](?:\{[^}]*\}|\([^)]*\))", r"\1", text)
    return re.sub(r"[*_\\`]", "", text)
