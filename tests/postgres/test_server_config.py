"""What the server makes of its files: a value it refuses is no value that waits for a restart."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import conninfo, sql

from howdah.errors import TargetRefused
from howdah.server_config import prove, reload


@pytest.fixture
def connection(server_dsn):
    with psycopg.connect(conninfo.make_conninfo(server_dsn, dbname="postgres"), autocommit=True) as connection:
        yield connection


@pytest.fixture
def edit(connection):
    """Return a function: a shell command on the server's ``$f``, its postgresql.conf, which is restored later."""
    file = connection.execute("SHOW config_file").fetchone()[0]

    def run(command: str) -> None:
        program = f"cat >/dev/null; f={file}; {command}"
        connection.execute(sql.SQL("COPY (SELECT) TO PROGRAM {}").format(sql.Literal(program)))

    run('cp "$f" "$f.kept"')
    yield run
    run('mv "$f.kept" "$f"')
    reload(connection)


@pytest.mark.parametrize("line", ["log_min_duration_statement = 'seven'", "max_wal_senders = 'many'", "no_such = 1"])
def test_a_value_that_the_server_refuses_is_named_and_not_loaded(connection, edit, line):
    edit(f'echo "{line}" >> "$f"')
    loaded = connection.execute("SELECT pg_conf_load_time()").fetchone()
    with pytest.raises(TargetRefused, match=f"would refuse its new configuration: .*{line.split()[0]}"):
        reload(connection)
    assert connection.execute("SELECT pg_conf_load_time()").fetchone() == loaded


def test_a_new_value_that_waits_for_a_restart_is_no_error(connection, edit):
    edit('echo "max_wal_senders = 7" >> "$f"')
    assert "max_wal_senders" in reload(connection).pending_restart
    assert prove(connection).errors == ()


def test_a_setting_that_is_gone_and_waits_for_a_restart_is_no_error(connection, edit):
    edit('sed -i "/^shared_buffers/d" "$f"')
    assert "shared_buffers" in reload(connection).pending_restart
    assert prove(connection).errors == ()


def test_a_refused_value_beside_one_that_waits_is_still_refused(connection, edit):
    edit('echo "max_wal_senders = 7" >> "$f"; echo "log_min_duration_statement = seven" >> "$f"')
    with pytest.raises(TargetRefused, match="log_min_duration_statement: setting could not be applied"):
        reload(connection)
