"""What loads only where it is needed: what a command does not use, it does not wait for."""

import subprocess
import sys

import click
import pytest

from howdah.cli import VERBS, main

HEAVY = ("alembic", "docker", "pyarrow", "numpy", "adbc_driver_sqlite", "sqlalchemy", "sqlglot", "psycopg", "pydantic")
MOVING = (
    "alembic",
    "sqlalchemy",
    "docker",
    "jinja2",
    "pyarrow",
    "numpy",
    "adbc_driver_sqlite",
    "adbc_driver_postgresql",
    "sqlglot",
    "rich.progress",
    "howdah.apply",
    "howdah.ddl",
    "howdah.profiling",
    "howdah.salvage",
)


def loaded(statement: str) -> set[str]:
    """Return the modules that a statement loads in a new process."""
    script = f"import sys; {statement}; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    )


def test_the_command_line_itself_loads_no_library_of_the_engine() -> None:
    assert not loaded("import howdah.cli") & {*HEAVY, "rich", "howdah.pipeline"}


def test_migrate_loads_what_moves_rows_and_what_makes_or_reads_schemas_only_when_it_does() -> None:
    assert not loaded("import howdah.cli.migrate") & {*MOVING}


def test_no_garbage_is_looked_for_while_a_verb_loads() -> None:
    script = """
import click, gc, sys
from howdah.cli import main
seen = []
gc.callbacks.append(lambda phase, info: seen.append(phase))
main.get_command(click.Context(main), "migrate")
print(len(seen), gc.isenabled(), gc.get_freeze_count() > 10_000)
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["0", "True", "True"]


@pytest.mark.parametrize("verb", ["status", "backup"])
def test_docker_loads_only_when_a_container_is_asked(verb: str) -> None:
    assert not loaded(f"import howdah.cli.{verb}") & {"docker", "pyarrow", "sqlglot", "alembic"}


@pytest.mark.parametrize("verb", main.list_commands(click.Context(main)))
def test_the_list_of_verbs_says_what_each_verb_says_of_itself(verb: str) -> None:
    command = main.get_command(click.Context(main), verb)
    assert command is not None
    assert command.get_short_help_str(200) == VERBS[verb]
