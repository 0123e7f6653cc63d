"""Needles: invented facts put into a long text, and prompts that ask for them.

Where the fact's tokens lie is known when the prompt is made, from the characters that each token
covers; nothing is searched for afterwards.

Legend: a needle is "<opening> <answer>." and its question; the opening is also the forced beginning
of the model's answer.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from broadsheet.core.errors import BadInput
from broadsheet.systems.reading.retrieval_heads.model import Span

_WORD = re.compile(r"\w+")
_MAX_NEEDLES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Needle:
    """A fact that no model can know.

    Args:
        opening: How the sentence begins, up to the answer.
        answer: How it goes on, without the full stop.
        question: What asks for it.

    Example:
        >>> fact = Needle(opening="The key is", answer="under the mat", question="Where is it?")
        >>> fact.sentence
        'The key is under the mat.'
    """

    opening: str
    answer: str
    question: str

    @property
    def sentence(self) -> str:
        """Return the whole sentence."""
        return f"{self.opening} {self.answer}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One prompt.

    Args:
        prompt: Token ids, the forced opening of the answer included.
        span: Where the needle's answer lies.
        answer: The answer.
        length: Tokens of the context.
        depth: Share of the context before the needle, as wanted.
    """

    prompt: tuple[int, ...]
    span: Span
    answer: str
    length: int
    depth: float


class TextTokenizer(Protocol):
    """What a task needs of a tokenizer; `lm.PromptTokenizer` has it for any fast tokenizer."""

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Return token ids and the characters that each covers."""
        ...

    def count(self, text: str) -> int:
        """Return how many tokens a sentence takes."""
        ...

    def wrap(self, context: str, question: str) -> str:
        """Return the whole prompt up to where the answer begins."""
        ...

    def join(self, prompt: str, opening: str) -> str:
        """Return the prompt with the forced opening of the answer after it."""
        ...


class NeedleTask:
    """Makes prompts: sentences of a haystack with a needle at some depth, then its question.

    Args:
        tokenizer: Of the model.
        haystack: Sentences, in an order that makes sense.

    Raises:
        BadInput: There is no haystack.

    Example:
        >>> class Letters:
        ...     def encode(self, text):
        ...         return [ord(c) for c in text], [(n, n + 1) for n in range(len(text))]
        ...     def count(self, text):
        ...         return len(text)
        ...     def wrap(self, context, question):
        ...         return f"{context} {question} "
        ...     def join(self, prompt, opening):
        ...         return prompt + opening
        >>> task = NeedleTask(Letters(), ["It rains.", "It snows."])
        >>> needle = Needle(opening="The key is", answer="here", question="Where?")
        >>> trial = task.trial(needle, length=40, depth=0.5)
        >>> "".join(map(chr, trial.prompt))
        'It rains. The key is here. It snows. Where? The key is'
        >>> "".join(map(chr, trial.prompt[trial.span.start:trial.span.stop]))
        'here'
    """

    def __init__(self, tokenizer: TextTokenizer, haystack: Sequence[str]) -> None:
        if not haystack or not all(sentence.strip() for sentence in haystack):
            raise BadInput("a haystack has sentences", received=f"{len(haystack)} sentences")
        self._tokenizer = tokenizer
        self._haystack = tuple(haystack)
        self._sizes: dict[int, int] = {}

    def trial(self, needle: Needle, *, length: int, depth: float, begin: int = 0) -> Trial:
        """Return one prompt.

        Args:
            needle: The fact.
            length: Tokens of the context at most, the needle among them.
            depth: Share of the context that comes before the needle; it goes to the end of the
                sentence that holds this place.
            begin: Sentence of the haystack to begin with; the haystack is a ring.

        Raises:
            BadInput: The needle alone is longer, or the tokenizer glues it to its neighbours.
        """
        if not 0.0 <= depth <= 1.0:
            raise BadInput("a depth is a share", received=depth, hint="0 to 1")
        room = length - self._tokenizer.count(needle.sentence)
        if room < 0:
            raise BadInput("the needle is longer than the context", received=f"{length} tokens")
        sentences, sizes = self._sentences(room, begin)
        place, before = 0, 0
        while place < len(sizes) and before + sizes[place] / 2 <= depth * sum(sizes):
            before += sizes[place]
            place += 1
        context = " ".join([*sentences[:place], needle.sentence, *sentences[place:]])
        at = len(" ".join(sentences[:place])) + (1 if place else 0) + len(needle.opening) + 1
        return self._make(needle, context, at, length, depth)

    def grid(
        self, needles: Sequence[Needle], *, lengths: Sequence[int], depths: Sequence[float]
    ) -> tuple[Trial, ...]:
        """Return a prompt for every length and depth; needles and places in the text take turns."""
        cells = [(length, depth) for length in lengths for depth in depths]
        step = max(1, len(self._haystack) // max(1, len(cells)))
        return tuple(
            self.trial(
                needles[number % len(needles)], length=length, depth=depth, begin=number * step
            )
            for number, (length, depth) in enumerate(cells)
        )

    def _sentences(self, room: int, begin: int) -> tuple[list[str], list[int]]:
        sentences: list[str] = []
        sizes: list[int] = []
        for number in range(begin, begin + room):
            place = number % len(self._haystack)
            if place not in self._sizes:
                self._sizes[place] = max(1, self._tokenizer.count(" " + self._haystack[place]))
            if sum(sizes) + self._sizes[place] > room:
                break
            sentences.append(self._haystack[place])
            sizes.append(self._sizes[place])
        return sentences, sizes

    def _make(self, needle: Needle, context: str, at: int, length: int, depth: float) -> Trial:
        wrapped = self._tokenizer.wrap(context, needle.question)
        start = wrapped.find(context)
        if start < 0:
            raise BadInput(
                "the chat template changes the text",
                received=context[:60],
                hint="a tokenizer without a template",
            )
        begin = start + at
        text = self._tokenizer.join(wrapped, needle.opening)
        ids, offsets = self._tokenizer.encode(text)
        span = tokens_of(text, offsets, begin, begin + len(needle.answer))
        return Trial(prompt=tuple(ids), span=span, answer=needle.answer, length=length, depth=depth)


def tokens_of(text: str, offsets: Sequence[tuple[int, int]], begin: int, end: int) -> Span:
    """Return the tokens that cover the characters begin to end, white space before them allowed.

    Raises:
        BadInput: No token does, or one covers characters of a neighbouring word too.

    Example:
        >>> tokens_of("a bc d", [(0, 1), (1, 4), (4, 6)], 2, 4)
        Span(start=1, stop=2)
    """
    covering = [n for n, (a, b) in enumerate(offsets) if a < end and b > begin]
    if not covering:
        raise BadInput("no token covers the needle", received=text[begin:end])
    first, last = covering[0], covering[-1]
    outside = text[offsets[first][0] : begin] + text[end : offsets[last][1]]
    if outside.strip():
        raise BadInput(
            "the tokenizer glues the needle to its neighbours",
            received=text[offsets[first][0] : offsets[last][1]],
            hint="another needle",
        )
    return Span(first, last + 1)


def recall(written: str, answer: str) -> float:
    """Return the share of the answer's words that were written (ROUGE-1 recall), 0 to 1.

    Source:
        ROUGE (Lin, 2004), unigrams, case ignored, no stemming.

    Example:
        >>> recall("the old mill", "under the old, old mill")
        0.6
    """
    wanted = Counter(_WORD.findall(answer.lower()))
    got = Counter(_WORD.findall(written.lower()))
    return sum((wanted & got).values()) / max(1, sum(wanted.values()))


def read_needles(path: Path) -> tuple[Needle, ...]:
    """Read JSON lines with "opening", "answer" and "question".

    Raises:
        BadInput: The file can't be read; the message names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the needles can't be read ({error})", received=path) from None
    found = [_needle(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not 0 < len(found) <= _MAX_NEEDLES:
        raise BadInput("a file of needles has at least one", received=f"{len(found)} in {path}")
    return tuple(found)


def _needle(path: Path, number: int, line: str) -> Needle:
    try:
        data: Any = json.loads(line)
        parts = {name: data[name] for name in ("opening", "answer", "question")}
    except (ValueError, KeyError, TypeError):
        parts = {}
    texts = [text.strip() for text in parts.values() if isinstance(text, str)]
    if len(texts) != 3 or not all(texts):
        raise BadInput(
            "a needle has the texts opening, answer and question",
            received=f"{path}, line {number}",
            hint='{"opening": "The key is", "answer": "under the mat", "question": "Where ...?"}',
        )
    opening, answer, question = texts
    return Needle(opening=opening, answer=answer.rstrip("."), question=question)
