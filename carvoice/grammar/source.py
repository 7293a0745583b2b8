"""YAML with places: every string knows the file, line and column it was written at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from carvoice.errors import GrammarError

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML built without libyaml
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

MAX_NODES = 150_000


class Located(str):
    """A string from a file.

    Attributes:
        path: the file.
        line: 1-based line the scalar starts on.
        column: 1-based column the scalar starts at, its quote included.
    """

    __slots__ = ("column", "line", "path")
    path: Path | None
    line: int
    column: int

    def __new__(cls, text: str, path: Path | None = None, line: int = 0, column: int = 0) -> Located:
        """Keep the text with its place."""
        located = super().__new__(cls, text)
        located.path, located.line, located.column = path, line, column
        return located

    def __reduce__(self) -> tuple[Any, ...]:
        return Located, (str(self), self.path, self.line, self.column)


def locate(text: str) -> Located:
    """The text as :class:`Located`, with no place if it has none."""
    return text if isinstance(text, Located) else Located(text)


def error_at(text: str, message: str, offset: int = 0) -> GrammarError:
    """An error about ``text``, its caret under character ``offset`` of the line in the file."""
    where = locate(text)
    if where.path is None or not where.line:
        return GrammarError(message, line=0, column=offset + 1, excerpt=str(text).replace("\n", " "))
    try:
        lines = where.path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    line, column = where.line, where.column + offset
    source = lines[line - 1] if line <= len(lines) else ""
    first = str(text).split("\n", 1)[0]
    start = source.find(first, where.column - 1)
    if first and start >= 0:
        column = start + offset + 1
    elif source[where.column - 1 : where.column] in ('"', "'"):
        column += 1
    return GrammarError(message, path=where.path, line=line, column=column, excerpt=source)


def read_yaml(path: Path) -> Any:
    """Read one YAML file; mappings, lists and plain scalars, strings as :class:`Located`.

    Raises:
        GrammarError: the file cannot be read, is not YAML, repeats a key or is unreasonably large.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or error
        raise GrammarError(f"the grammar file cannot be read: {reason}", path=path) from error
    except UnicodeDecodeError as error:
        raise GrammarError("the grammar file is not UTF-8 text; save it as UTF-8", path=path) from error
    return parse_yaml(text, path)


def parse_yaml(text: str, path: Path | None = None, *, only_text: bool = False) -> Any:
    """The same from a string; with ``only_text`` "on" and "12" are not taken for a truth or a number."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        return None if node is None else _Reader(loader, path, text, only_text).value(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        lines = text.splitlines()
        raise GrammarError(
            f"not readable as YAML: {error.problem or error.context}",
            path=path,
            line=line + 1,
            column=column + 1,
            excerpt=lines[line] if line < len(lines) else "",
        ) from error
    except yaml.YAMLError as error:
        raise GrammarError(f"not readable as YAML: {error}", path=path) from error
    except RecursionError as error:
        raise GrammarError("the YAML is nested too deeply", path=path) from error
    finally:
        loader.dispose()


class _Reader:
    """Turns YAML nodes into values and counts them, so that aliases cannot explode."""

    def __init__(self, loader: Any, path: Path | None, text: str, only_text: bool) -> None:
        self._loader = loader
        self._only_text = only_text
        self._path = path
        self._text = text
        self._left = MAX_NODES

    def value(self, node: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise GrammarError(f"the YAML has more than {MAX_NODES} nodes (aliases counted)", path=self._path)
        if isinstance(node, yaml.ScalarNode):
            plain = node.value if self._only_text else self._loader.construct_object(node)
            if isinstance(plain, str):
                mark = node.start_mark
                return Located(plain, self._path, mark.line + 1, mark.column + 1)
            return plain
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item) for item in node.value]
        self._loader.flatten_mapping(node)
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.value(key_node)
            try:
                mapping[key] = self.value(value_node)
            except TypeError as error:
                raise self._error(key_node, "a key must be a plain word or number") from error
        return mapping

    def _error(self, node: Any, message: str) -> GrammarError:
        line, column = node.start_mark.line, node.start_mark.column
        lines = self._text.splitlines()
        excerpt = lines[line] if line < len(lines) else ""
        return GrammarError(message, path=self._path, line=line + 1, column=column + 1, excerpt=excerpt)
