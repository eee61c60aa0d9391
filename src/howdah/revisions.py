"""Makes an application's schema by its Alembic revisions; this module alone loads Alembic and SQLAlchemy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import alembic.command
import alembic.util
import sqlalchemy
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from howdah import pg
from howdah.application import versions_folder
from howdah.catalog import postgres
from howdah.catalog.model import TargetCatalog
from howdah.errors import ConfigurationError, HowdahError, TargetRefused


def preview(dsn: str, folder: Path, schema: str) -> tuple[TargetCatalog, tuple[str, ...]]:
    """Return the schema that the application's head gives, without changing anything.

    With it come the revisions that are still to be run, oldest first, as ``identifier: title``. They are run in a
    transaction that is rolled back: what they really do is seen, not what models say.

    :raises TargetRefused: another head, foreign objects in the way, or no right.
    """
    with _at_head(dsn, folder, schema) as (connection, pending):
        return _read(connection, schema), pending


def upgrade(dsn: str, folder: Path, schema: str) -> tuple[str, ...]:
    """Run the pending revisions in one transaction and return them.

    :raises TargetRefused: another head, foreign objects in the way, or no right.
    """
    with _at_head(dsn, folder, schema) as (connection, pending):
        if pending:
            connection.commit()
        return pending


@contextmanager
def _at_head(dsn: str, folder: Path, schema: str) -> Iterator[tuple[sqlalchemy.Connection, tuple[str, ...]]]:
    """Give a connection whose open transaction has the schema at the application's head."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic_env").replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(versions_folder(folder)).replace("%", "%%"))
    try:
        script = ScriptDirectory.from_config(config)
        heads = script.get_heads()
    except (alembic.util.CommandError, SyntaxError, ImportError) as error:
        raise ConfigurationError(f"The revisions in {folder / 'versions'} cannot be read: {error}.") from error
    if len(heads) != 1:
        raise ConfigurationError(f"{folder / 'versions'} has {len(heads)} heads.", "Merge them: alembic merge heads")
    with _connection(dsn, schema) as connection:
        try:
            pending = _pending(connection, script, schema)
            if pending:
                connection.execute(sqlalchemy.text("SET LOCAL lock_timeout = '10s'"))
                if not _schema_exists(connection, schema):
                    connection.execute(sqlalchemy.schema.CreateSchema(schema))
                config.attributes.update(connection=connection, schema=schema)
                alembic.command.upgrade(config, "head")
            yield connection, pending
        except sqlalchemy.exc.DBAPIError as error:
            raise _refusal(error, schema) from error
        except alembic.util.CommandError as error:
            raise ConfigurationError(f"Alembic cannot upgrade schema {schema}: {error}.") from error


def _pending(connection: sqlalchemy.Connection, script: ScriptDirectory, schema: str) -> tuple[str, ...]:
    current = MigrationContext.configure(connection, opts={"version_table_schema": schema}).get_current_heads()
    known = {revision.revision for revision in script.walk_revisions()}
    for revision in current:
        if revision not in known:
            raise TargetRefused(
                f"Schema {schema} is at Alembic revision {revision}, which this application does not have.",
                "Use the checkout that made it, or another --schema.",
            )
    done = {r.revision for head in current for r in script.iterate_revisions(head, "base")}
    waiting = [revision for revision in script.walk_revisions() if revision.revision not in done]
    return tuple(f"{revision.revision}: {revision.doc}" for revision in reversed(waiting))


def _schema_exists(connection: sqlalchemy.Connection, schema: str) -> bool:
    statement = sqlalchemy.text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
    return connection.execute(statement, {"name": schema}).scalar() is not None


def _read(connection: sqlalchemy.Connection, schema: str) -> TargetCatalog:
    driver = _raw(connection)
    # Names in expressions are printed as far as search_path needs it; they are evaluated later under howdah's
    # own.
    driver.execute("SET LOCAL search_path = pg_catalog")
    return postgres.read(driver, schema)


def _refusal(error: sqlalchemy.exc.DBAPIError, schema: str) -> HowdahError:
    if isinstance(error.orig, pg.TAKEN):
        message = pg.message(error.orig)
        return TargetRefused(
            f"An object that is not ours is in the way in schema {schema}: {message}.",
            "Rename it, or choose another --schema; nothing was changed.",
        )
    if isinstance(error.orig, pg.Error):
        return pg.explain(error.orig)
    return HowdahError(f"Alembic failed: {error}")


@contextmanager
def _connection(dsn: str, schema: str) -> Iterator[sqlalchemy.Connection]:
    """Open a connection for Alembic, in one transaction that the caller commits or rolls back.

    Unqualified names in revisions resolve in ``schema`` first and in ``public`` after it, where extensions
    live.
    """
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: _for_alembic(dsn, schema), poolclass=sqlalchemy.pool.NullPool
    )
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _for_alembic(dsn: str, schema: str) -> pg.Connection:
    connection = pg.open_(dsn)
    path = f"{pg.quoted(schema)}, public"
    connection.execute("SELECT set_config('search_path', %s, false)", [path])
    connection.autocommit = False
    return connection


def _raw(connection: sqlalchemy.Connection) -> pg.Connection:
    """Return the driver's connection under a SQLAlchemy one (the same transaction)."""
    return cast(pg.Connection, connection.connection.dbapi_connection)
