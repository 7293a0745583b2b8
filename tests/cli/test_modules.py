"""Which modules a command line loads."""

from importlib import import_module

from carvoice.cli import modules_for
from carvoice.cli.app import app


def test_every_command_is_in_the_module_that_is_loaded_for_it():
    for module in modules_for([]):
        import_module(f"carvoice.cli.{module}")
    groups = [(group.name, group.typer_instance.registered_commands[0]) for group in app.registered_groups]
    commands = [(c.name or c.callback.__name__, c) for c in app.registered_commands]
    for name, command in commands + groups:
        assert [f"carvoice.cli.{module}" for module in modules_for([name])] == [command.callback.__module__]


def test_a_command_behind_options_loads_all():
    assert len(modules_for(["--config", "car.toml", "say", "hello"])) > 1
