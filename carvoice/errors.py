"""The one error tree.

Every error carvoice raises on purpose is a :class:`CarvoiceError` and also the standard error a
Python programmer would expect there. A message says what was wrong, where (file, line, value) and
what to do about it.
"""

from __future__ import annotations

from pathlib import Path


class CarvoiceError(Exception):
    """Base of everything carvoice raises on purpose."""


class ConfigError(CarvoiceError, ValueError):
    """A setting in ``carvoice.toml``, the environment or on the command line is wrong."""


class AudioError(CarvoiceError, OSError):
    """An audio file or device cannot be opened, read or written."""


class AudioFormatError(CarvoiceError, ValueError):
    """Samples have the wrong shape, dtype, rate or content (NaN)."""


class ModelError(CarvoiceError, OSError):
    """A model file is missing, corrupt or of the wrong kind."""


class GrammarError(CarvoiceError, ValueError):
    """A grammar file cannot be read or does not mean anything.

    Attributes:
        path: file the error is in, if known.
        line: 1-based line, 0 if unknown.
        column: 1-based column, 0 if unknown.
    """

    def __init__(
        self,
        message: str,
        *,
        path: Path | str | None = None,
        line: int = 0,
        column: int = 0,
        excerpt: str = "",
    ) -> None:
        self.path = Path(path) if path is not None else None
        self.line = line
        self.column = column
        where = ":".join(str(part) for part in (path, line or None, column or None) if part is not None)
        text = f"{where}: {message}" if where else message
        if excerpt:
            text += f"\n    {excerpt}"
            if column:
                text += f"\n    {' ' * (column - 1)}^"
        super().__init__(text)


class CarError(CarvoiceError, ValueError):
    """A car description (DBC, mapping, rules) is wrong or lacks something."""


class BusError(CarvoiceError, OSError):
    """The CAN bus cannot be opened or used."""


class VoiceError(CarvoiceError, RuntimeError):
    """Speech cannot be synthesized."""


class AnswerError(CarvoiceError, RuntimeError):
    """No tier can answer an open question."""
