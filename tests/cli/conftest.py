"""Run the command line in this process."""

import sys
from dataclasses import dataclass

import pytest

from carvoice.cli import main


@dataclass
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def carvoice(monkeypatch, capsys, tmp_path):
    """Call ``carvoice`` with arguments, in an empty folder; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["carvoice", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call
