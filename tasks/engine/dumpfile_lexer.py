"""Where a SQL statement ends: quotes, comments, parentheses and SQL-standard function bodies, line by line.

The rules are those of psql's own scanner (psqlscan.l), which are the server's. Two are narrower than psql's, because
pg_dump writes a function that is named `begin`, and a column of that name, without quotes, and psql then never sees the
statement's end: a body opens at the two words BEGIN ATOMIC, and only CASE nests in it.
"""

import re
from collections.abc import Callable

_LETTER = rb"A-Za-z_\x80-\xff"
_OUTSIDE = re.compile(
    rb"--[^\r\n]*|/\*|['\"();\\]"
    rb"|\$(?:[" + _LETTER + rb"][" + _LETTER + rb"0-9]*)?\$"
    rb"|[" + _LETTER + rb"][" + _LETTER + rb"0-9$]*"
)
_COMMENT_EDGE = re.compile(rb"/\*|\*/")
_ESCAPED = re.compile(rb"[^\\']*(?:\\.[^\\']*)*", re.DOTALL)
_BLANK = re.compile(rb"(?:[ \t\f\v]|--[^\r\n]*)*")
_ROUTINE = re.compile(rb"create (?:or replace )?(?:function|procedure)(?: |$)")
_BODY_WORDS = frozenset({b"atomic", b"case", b"end"})


class Unreadable(ValueError):
    """What is wrong with the file; the reader adds where. lines_on: so many lines behind the one that is read now."""

    def __init__(self, what: str, *, lines_on: int = 0) -> None:
        super().__init__(what)
        self.lines_on = lines_on


class StatementLexer:
    """Fed with whole lines, it tells where statements end; between calls it remembers which quote is open."""

    def __init__(self) -> None:
        self.standard_strings = True
        self._scan: Callable[[bytes, int], int] = self._outside
        self._dollar = b""
        self._comments = 0
        self._newline_seen = False
        self._openers: dict[bytes, Callable[[], None]] = {
            b"'": self._open_quotes,
            b'"': self._open_double_quotes,
            b"/*": self._open_comment,
            b"(": self._open_paren,
            b")": self._close_paren,
            b"\\": self._backslash,
        }
        self._begin_statement()

    def _begin_statement(self) -> None:
        self._parens = 0
        self._body = 0  # 1 in a BEGIN ATOMIC body, one more in each CASE of it
        self._words: list[bytes] = []
        self._ended_at = -1

    def feed(self, line: bytes) -> list[int]:
        """The offsets in this line just behind each semicolon that ends a statement."""
        ends: list[int] = []
        position = 0
        self._begin_word_end = -1
        while position < len(line):
            position = self._scan(line, position)
            if self._ended_at >= 0:
                ends.append(self._ended_at)
                self._begin_statement()
        return ends

    @property
    def in_quotes(self) -> bool:
        """Whether a string, a quoted name or a comment waits for its end."""
        return self._scan not in {self._outside, self._behind_escape_string}

    def open_construct(self) -> str:
        """What waits for its end, in words."""
        names: dict[Callable[[bytes, int], int], str] = {
            self._in_quotes: "a string",
            self._in_escape_string: "a string",
            self._in_double_quotes: "a quoted name",
            self._in_dollar_quotes: f"a string quoted with {self._dollar.decode(errors='replace')}",
            self._in_comment: "a comment",
        }
        return names.get(self._scan, "a statement")

    def _outside(self, line: bytes, position: int) -> int:
        found = _OUTSIDE.search(line, position)
        if found is None:
            return len(line)
        token, end = found[0], found.end()
        if token[:1].isalpha() or token[0] == 0x5F or token[0] >= 0x80:
            return self._word(line, token, found.start(), end)
        if token[:1] == b"$":
            self._dollar, self._scan = token, self._in_dollar_quotes
        elif token == b";":
            self._semicolon(end)
        elif token in self._openers:
            self._openers[token]()
        return end

    def _word(self, line: bytes, token: bytes, start: int, end: int) -> int:
        if token in {b"e", b"E"} and line[end : end + 1] == b"'":
            self._scan = self._in_escape_string
            return end + 1
        word = token.lower()
        if len(self._words) < 4:
            self._words.append(word)
        if not self._parens and word in _BODY_WORDS and _ROUTINE.match(b" ".join(self._words)):
            self._body_word(word, adjacent=self._begin_word_end >= 0 and line[self._begin_word_end : start].isspace())
        if word == b"begin":
            self._begin_word_end = end
        return end

    def _body_word(self, word: bytes, *, adjacent: bool) -> None:
        if not self._body:
            self._body = int(word == b"atomic" and adjacent)
        elif word == b"case":
            self._body += 1
        elif word == b"end":
            self._body -= 1

    def _semicolon(self, end: int) -> None:
        if self._parens:
            return
        if self._body > 1:
            # never from pg_dump, which quotes such names; by hand it could hide a statement from us
            raise Unreadable("a semicolon stands within CASE")
        if not self._body:
            self._ended_at = end

    def _open_quotes(self) -> None:
        self._scan = self._in_quotes if self.standard_strings else self._in_escape_string

    def _open_double_quotes(self) -> None:
        self._scan = self._in_double_quotes

    def _open_comment(self) -> None:
        self._comments, self._scan = 1, self._in_comment

    def _open_paren(self) -> None:
        self._parens += 1

    def _close_paren(self) -> None:
        self._parens = max(0, self._parens - 1)

    def _backslash(self) -> None:
        raise Unreadable("a backslash stands outside quotes: psql would run a command there")

    def _in_quotes(self, line: bytes, position: int) -> int:
        # a doubled quote, and a string continued in the next line, close and open again: the same end
        return self._until(line, position, b"'")

    def _in_double_quotes(self, line: bytes, position: int) -> int:
        return self._until(line, position, b'"')

    def _in_dollar_quotes(self, line: bytes, position: int) -> int:
        return self._until(line, position, self._dollar)

    def _until(self, line: bytes, position: int, closing: bytes) -> int:
        found = line.find(closing, position)
        if found < 0:
            return len(line)
        self._scan = self._outside
        return found + len(closing)

    def _in_escape_string(self, line: bytes, position: int) -> int:
        matched = _ESCAPED.match(line, position)
        end = matched.end() if matched else position
        if line[end : end + 2] == b"''":
            return end + 2
        if line[end : end + 1] == b"'":
            self._newline_seen, self._scan = False, self._behind_escape_string
            return end + 1
        return len(line)

    def _behind_escape_string(self, line: bytes, position: int) -> int:
        """A quote after blanks with a newline among them continues the string, escapes included."""
        matched = _BLANK.match(line, position)
        end = matched.end() if matched else position
        following = line[end : end + 1]
        if following in {b"\n", b"\r"}:
            self._newline_seen = True
            return end + 1
        if following == b"'" and self._newline_seen:
            self._scan = self._in_escape_string
            return end + 1
        if following:
            self._scan = self._outside
        return end

    def _in_comment(self, line: bytes, position: int) -> int:
        found = _COMMENT_EDGE.search(line, position)
        if found is None:
            return len(line)
        self._comments += 1 if found[0] == b"/*" else -1
        if not self._comments:
            self._scan = self._outside
        return found.end()
