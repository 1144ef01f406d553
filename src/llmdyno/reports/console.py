"""Drawing on a console: headings, facts, notes and tables. The only module that draws with Rich.

Takes plain text. Gives lines on a stream. It knows neither runs nor reports, and it reads no markup in a text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Sequence
from typing import IO, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

_SIZES = ("COLUMNS", "LINES")
_SIZE = re.compile(r"[1-9][0-9]{0,3}")
LABEL = 13
"""The usual width of a fact's label, in columns."""
_LEAST = 20
"""A value is never squeezed below this many columns."""


class _Console(Console):
    """A console that leaves the end of its reader to the caller; Rich's own would end the program."""

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError."""
        raise BrokenPipeError


def _console(stream: IO[str] | None, width: int | None) -> Console:
    """A console of Rich's. It does not see a size in the environment that no terminal has, such as ``COLUMNS=²``."""
    sensible = {name: value for name, value in os.environ.items() if name not in _SIZES or _SIZE.fullmatch(value)}
    return _Console(file=stream, width=width, highlight=False, _environ=sensible)


class Page:
    """A console to draw on.

    Args:
        stream: where lines go; standard output when it is None.
        width: how many columns there are; the terminal's own number when it is None.

    Long lines break between words on a terminal, or when a width is given. In a pipe or a file they stay whole, so that
    a search finds them.
    """

    def __init__(self, stream: TextIO | None = None, width: int | None = None) -> None:
        self._console = _console(stream, width)
        self._breaks = width is not None or self._console.is_terminal

    def blank(self) -> None:
        """Leave a line empty."""
        self._console.print()

    def line(self, text: str, style: str = "") -> None:
        """One paragraph in a style of Rich's."""
        self._hang(Text(), Text(text, style=style), 0)

    def title(self, text: str) -> None:
        """A heading."""
        self.line(text, "bold")

    def warning(self, text: str) -> None:
        """A paragraph that nobody may miss."""
        self.line(text, "yellow")

    def aside(self, text: str) -> None:
        """A paragraph in small print."""
        self.line(text, "dim")

    def whole(self, text: str, style: str = "") -> None:
        """One line that is never broken: a path or a command, to be copied."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    def fact(
        self, label: str, value: str, width: int = LABEL, *, style: str = "", head: str = "bold", whole: bool = False
    ) -> None:
        """A label and its value; the value's later lines are indented to its first one.

        Args:
            label: shown in the style `head`.
            value: shown in the style `style`.
            width: the label's width, in columns.
            whole: never break the value, as it is to be copied.
        """
        # Assembled, because the style of a text that is added to spreads over what is added.
        start, rest = Text.assemble((f"{label:<{width}} ", head)), Text.assemble((value, style))
        if whole:
            self._console.print(start + rest, soft_wrap=True)
        else:
            self._hang(start, rest, width + 1)

    def facts(self, items: Iterable[tuple[str, str]], width: int = LABEL) -> None:
        """Labels and their values, one below the other."""
        for label, value in items:
            self.fact(label, value, width)

    def notes(self, notes: Iterable[str], width: int = LABEL) -> None:
        """What to keep in mind, one note below the other."""
        for note in notes:
            self.fact("Note", note, width, head="yellow")

    def point(self, text: str, indent: int, style: str = "") -> None:
        """An item of a list, indented by a number of columns."""
        self._hang(Text(" " * indent + "- ", style=style), Text(text, style=style), indent + 2)

    def table(
        self,
        heads: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        left: Collection[int] = (0,),
        dim: int | None = None,
        gap: int = 2,
    ) -> None:
        """A table without lines; nothing when there are no rows.

        Args:
            heads: one for each column.
            rows: one text for each column.
            left: the indices of the columns that are set flush left; the others are set flush right.
            dim: the index of a column in small print.
            gap: spaces between columns.

        A table is as wide as its contents. Where the console is narrower the lines run over, since a table with cells
        cut off is of no use.
        """
        if not rows:
            return
        table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold")
        for index, head in enumerate(heads):
            style = "dim" if index == dim else ""
            table.add_column(Text(head), justify="left" if index in left else "right", no_wrap=True, style=style)
        for row in rows:
            table.add_row(*map(Text, row))
        console = self._console
        wanted = console.measure(table, options=console.options.update(max_width=1000)).maximum
        _console(console.file, max(console.width, wanted)).print(table)

    def _hang(self, start: Text, rest: Text, indent: int) -> None:
        if not self._breaks:
            self._console.print(start + rest, soft_wrap=True)
            return
        first, *more = rest.wrap(self._console, max(_LEAST, self._console.width - indent)) or [Text()]
        for line in (first, *more):
            line.rstrip()
        self._console.print(start + first, soft_wrap=True)
        for line in more:
            self._console.print(Text(" " * indent) + line, soft_wrap=True)
