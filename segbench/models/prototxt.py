"""The text format of Protocol Buffers, in which Caffe's network definitions are written (``.prototxt``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar, Union

from segbench.models.protobuf_wire import MalformedError

__all__ = ["Message", "parse_prototxt"]

DEEPEST = 32
_TOKEN = re.compile(
    r"(?P<skip>[\s,;]+|\#[^\n]*)"
    r"|(?P<string>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
    r"|(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?[fF]?(?![\w.]))"
    r"|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<mark>[{}<>:\[\]])"
)
_CLOSING = {"{": "}", "<": ">"}
_WORDS = {"true": True, "false": False}

Value = Union[str, int, float, bool, "Message"]
Kind = TypeVar("Kind", str, int, float, bool)


@dataclass(frozen=True)
class Message:
    """A message: the values of each field in their order.

    Attributes:
        line: Where it begins, from 1.
    """

    line: int = 1
    values: dict[str, list[Value]] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def every(self, name: str, kind: type[Kind]) -> list[Kind]:
        """All values of a field; a whole number may stand for a float.

        Raises:
            MalformedError: One is of another kind.
        """
        return [self._checked(name, value, kind) for value in self.values.get(name, [])]

    def one(self, name: str, default: Kind) -> Kind:
        """The value of a field, the last where there are several as Protocol Buffers have it, or its default.

        Raises:
            MalformedError: It is of another kind than the default.
        """
        found = self.every(name, type(default))
        return found[-1] if found else default

    def messages(self, name: str) -> list[Message]:
        """All messages of a field.

        Raises:
            MalformedError: One is a plain value.
        """
        found = self.values.get(name, [])
        if not all(isinstance(value, Message) for value in found):
            raise MalformedError(f"'{name}' (in what begins in line {self.line}) needs braces")
        return [value for value in found if isinstance(value, Message)]

    def message(self, name: str) -> Message:
        """The message of a field; an empty one where there is none."""
        found = self.messages(name)
        return found[-1] if found else Message(self.line)

    def _checked(self, name: str, value: Value, kind: type[Kind]) -> Kind:
        if kind is float and type(value) is int:
            return kind(value)
        if type(value) is not kind:
            shown = "a message" if isinstance(value, Message) else repr(value)
            raise MalformedError(
                f"'{name}' (in what begins in line {self.line}) is {shown}, not of type {kind.__name__}"
            )
        return value


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def parse_prototxt(text: str) -> Message:
    """The message that a text holds.

    Raises:
        MalformedError: It is not in this format; says in which line.
    """
    parser = _Parser(list(_tokens(text)))
    return parser.message(Message(), "", 0)


def _tokens(text: str) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise MalformedError(f"line {line} has {text[position : position + 20].splitlines()[0]!r}")
        if found.lastgroup != "skip":
            yield _Token(f"{found.lastgroup}", found.group(), line)
        line += found.group().count("\n")
        position = found.end()
    yield _Token("end", "its end", line)


class _Parser:
    """Reads tokens one after the other."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0

    def message(self, message: Message, closing: str, depth: int) -> Message:
        """Fills ``message`` up to ``closing``, or to the end of the text where that is empty."""
        if depth > DEEPEST:
            raise self._unexpected(f"nothing deeper than {DEEPEST} messages")
        while not self._takes(closing):
            name = self._take()
            if name.kind != "word":
                raise self._unexpected("the name of a field", name)
            message.values.setdefault(name.text, []).extend(self._values(depth))
        return message

    def _takes(self, closing: str) -> bool:
        token = self._tokens[self._next]
        if (token.kind == "end") if closing == "" else (token.text == closing and token.kind == "mark"):
            self._next += closing != ""
            return True
        return False

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _values(self, depth: int) -> list[Value]:
        token = self._take()
        if token.kind == "mark" and token.text == ":":
            token = self._take()
        elif token.text not in _CLOSING:
            raise self._unexpected("':' or '{'", token)
        if token.text == "[" and token.kind == "mark":
            listed = []
            while not self._takes("]"):
                listed.append(self._value(self._take(), depth))
            return listed
        return [self._value(token, depth)]

    def _value(self, token: _Token, depth: int) -> Value:
        if token.kind == "mark" and token.text in _CLOSING:
            return self.message(Message(token.line), _CLOSING[token.text], depth + 1)
        if token.kind == "string":
            return re.sub(r"\\(.)", r"\1", token.text[1:-1])
        if token.kind == "word":
            return _WORDS.get(token.text, token.text)
        if token.kind == "number":
            plain = token.text.rstrip("fF")
            return int(plain) if re.fullmatch(r"[-+]?\d{1,18}", plain) else float(plain)
        raise self._unexpected("a value", token)

    def _unexpected(self, wanted: str, found: _Token | None = None) -> MalformedError:
        token = found or self._tokens[self._next]
        return MalformedError(f"line {token.line} has {token.text[:40]} where {wanted} belongs")
