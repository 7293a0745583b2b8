"""``carvoice grammar``: check, sample, explain, test, count and import grammars."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from carvoice.cli.app import app, console, settings_of
from carvoice.config.sections import LanguageConfig
from carvoice.grammar import Grammar, load_grammar
from carvoice.grammar.loader import grammar_files

if TYPE_CHECKING:
    from carvoice.nlu import Understander

grammar_app = typer.Typer(help="Work on grammars (HassIL YAML).", no_args_is_help=True)
app.add_typer(grammar_app, name="grammar")

Files = Annotated[
    list[Path] | None, typer.Argument(help="Grammar files or folders; the configured ones if left out.")
]


def _paths(context: typer.Context, files: list[Path] | None) -> list[Path]:
    from carvoice.assistant.rooms import grammar_paths

    return files or grammar_paths(settings_of(context).language)


def _load(context: typer.Context, files: list[Path] | None) -> Grammar:
    return load_grammar(*_paths(context, files))


def _understander(context: typer.Context, grammars: list[Path]) -> Understander:
    """Of the configured grammar; of these files or folders, in their language, when they are others."""
    from carvoice.assistant.ears import Ears
    from carvoice.assistant.rooms import grammar_paths

    settings = settings_of(context)
    configured = {path.resolve() for path in grammar_paths(settings.language)}
    others = tuple(path for path in grammars if path.resolve() not in configured)
    if others:
        language = LanguageConfig(shipped=False, grammars=others)
        settings = settings.model_copy(update={"language": language})
    return Ears(settings).understander


def _grammars_of(tests: list[Path]) -> list[Path]:
    """The folders of the grammars that test files belong to; a test file of no grammar has none."""
    above = {next((up.parent for up in (path, path.parent) if up.name == "tests"), path) for path in tests}
    return sorted(path for path in above if path.is_dir() and any(grammar_files([path])))


@grammar_app.command()
def check(context: typer.Context, files: Files = None) -> None:
    """Report unknown names, recursion, overlaps, templates that never match. Exit code 1 on errors."""
    from carvoice.grammar.check import check_grammar
    from carvoice.nlu.exact import meaning_counter

    problems = check_grammar(_load(context, files), meaning_counter)
    for problem in problems:
        typer.echo(str(problem))
    errors = sum(problem.severity == "error" for problem in problems)
    typer.echo(f"{errors} errors, {len(problems) - errors} warnings")
    raise typer.Exit(1 if errors else 0)


@grammar_app.command()
def sample(
    context: typer.Context,
    files: Files = None,
    count: Annotated[int, typer.Option("--count", "-n", help="How many sentences.")] = 20,
    intent: Annotated[str, typer.Option(help="Only of this intent.")] = "",
    seed: Annotated[int, typer.Option(help="Another number, other sentences.")] = 0,
) -> None:
    """Draw sentences that can be said."""
    from carvoice.grammar.sample import sample as draw

    for drawn in draw(_load(context, files), count, seed, intent):
        typer.echo(f"{drawn.intent}\t{drawn.sentence}")


@grammar_app.command()
def explain(
    context: typer.Context,
    sentence: Annotated[str, typer.Argument(help="What was heard.")],
    files: Files = None,
) -> None:
    """Show how a sentence is understood: prefixes, exact and nearest readings, confidence."""
    from carvoice.nlu.explain import explain as explained

    typer.echo(str(explained(_understander(context, files or []), sentence)))


@grammar_app.command("test")
def try_sentences(
    context: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Test files, or grammar folders that have some; the configured ones if left out."
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what failed.")] = False,
) -> None:
    """Try the sentences in the test files. Exit code 1 when any is not understood as it says.

    A sentence to be rejected may be asked back: nothing is done before the driver has said yes.
    """
    from carvoice.nlu.trial import load_tests, try_all

    cases = load_tests(*_paths(context, files))
    understander = _understander(context, _grammars_of(files or []))
    results = try_all(understander, cases, settings_of(context).nlu.sure_confidence)
    if verbose:
        for result in results:
            if result.kind != "right":
                found = "; ".join(item.intent or f"rejected ({item.rejected})" for item in result.found)
                where = f"{result.case.path}:{result.case.line}"
                typer.echo(f"{where}: {result.kind}: {result.case.sentence!r} -> {found}")
    kinds = Counter(result.kind for result in results)
    typer.echo(f"{len(results)} sentences: " + ", ".join(f"{n} {kind}" for kind, n in kinds.most_common()))
    raise typer.Exit(0 if kinds["right"] + kinds["asked back"] == len(results) else 1)


@grammar_app.command()
def stats(context: typer.Context, files: Files = None) -> None:
    """Count intents, templates, words, sentences, states and bytes."""
    from carvoice.grammar import compile_grammar
    from carvoice.grammar.sample import grammar_stats

    grammar = _load(context, files)
    table = Table(show_header=False, box=None)
    for name, value in asdict(grammar_stats(grammar, compile_grammar(grammar))).items():
        shown = f"{value:,}" if value < 10**9 else f"{float(value):.1e}"
        table.add_row(name.replace("_", " "), shown)
    console.print(table)


@grammar_app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="JSGF (.jsgf, .gram) or Picovoice Rhino (.yml) grammar.")],
    out: Annotated[Path | None, typer.Option(help="File to write; the terminal if left out.")] = None,
    language: Annotated[str, typer.Option(help="Language of the sentences.")] = "en",
) -> None:
    """Turn a grammar of another system into HassIL YAML."""
    from carvoice.grammar.convert import import_grammar

    text = import_grammar(file, language)
    if out is None:
        typer.echo(text)
    else:
        out.write_text(text, encoding="utf-8")
        typer.echo(f"{out} written")
