"""One-line languages in detent.yaml: a text, a grammar -> what it says, or an error that knows its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken
from lark.exceptions import VisitError


class GrammarError(ValueError):
    """A line that can't be read. `offset` counts characters from the start of the line."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


def read_line(text: str, parser: Lark, build: Transformer[Token, Any], *, words: Mapping[str, str], noun: str) -> Any:
    """Parse a line and return what `build` makes of its tree; `words` says each token's name for people.

    Raises:
        GrammarError: with what was expected, and where; `noun` names the line in the sentence.
    """
    try:
        tree: Any = parser.parse(text)
    except UnexpectedEOF as error:
        raise _too_early(text, noun, words, set(error.expected)) from error
    except UnexpectedToken as error:
        if error.token.type == "$END":
            raise _too_early(text, noun, words, set(error.expected)) from error
        expected = _names(words, set(error.expected))
        raise GrammarError(f"unexpected `{error.token}`; expected {expected}", error.pos_in_stream or 0) from error
    except UnexpectedCharacters as error:
        found, expected = text[error.pos_in_stream], _names(words, error.allowed or set())
        raise GrammarError(f"unexpected `{found}`; expected {expected}", error.pos_in_stream) from error
    except UnexpectedInput as error:
        raise GrammarError(str(error), error.pos_in_stream or 0) from error
    try:
        return build.transform(tree)
    except VisitError as error:  # the library wraps what a callback raises
        raise (error.orig_exc if isinstance(error.orig_exc, GrammarError) else error) from error


def offset_of(token: Token | None) -> int:
    """Return where a token begins in its line."""
    return 0 if token is None else token.start_pos or 0


def _too_early(text: str, noun: str, words: Mapping[str, str], expected: set[str]) -> GrammarError:
    return GrammarError(f"the {noun} ends too early; expected {_names(words, expected)}", len(text))


def _names(words: Mapping[str, str], expected: set[str]) -> str:
    names = sorted({words.get(name, name.lower()) for name in expected})
    return " or ".join(names) if names else "something else"
