"""An instance is found by name, file or environment, and a wrong file is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from howdah import instance
from howdah.errors import ConfigurationError
from howdah.execs import Output


@pytest.fixture
def etc(tmp_path, monkeypatch, described):
    """The folder of instances, with one of them, and nothing said in the environment."""
    folder = tmp_path / "etc"
    monkeypatch.setattr(instance, "CONFIGURATION", folder)
    monkeypatch.delenv("HOWDAH_INSTANCE", raising=False)
    write(folder / "test" / "instance.yml", described)
    return folder


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_name_is_looked_up(etc, described):
    write(etc / "other" / "instance.yml", described | {"name": "howdah-other"})
    assert instance.load("test").name == "howdah-test"
    assert instance.load("other").name == "howdah-other"


def test_a_file_is_read_where_it_is(etc, tmp_path, described):
    path = write(tmp_path / "mine.yml", described | {"name": "howdah-mine"})
    assert instance.load(str(path)).name == "howdah-mine"


@pytest.mark.parametrize("said", ["other", "{etc}/other/instance.yml"])
def test_the_environment_is_asked_when_nothing_is_said(etc, monkeypatch, described, said):
    write(etc / "other" / "instance.yml", described | {"name": "howdah-other"})
    monkeypatch.setenv("HOWDAH_INSTANCE", said.format(etc=etc))
    assert instance.load().name == "howdah-other"


def test_what_is_said_goes_before_the_environment(etc, monkeypatch):
    monkeypatch.setenv("HOWDAH_INSTANCE", "absent")
    assert instance.load("test").name == "howdah-test"


def test_the_only_instance_needs_no_name(etc):
    assert instance.load().environment == "test"


def test_of_two_instances_one_must_be_named(etc, described):
    write(etc / "other" / "instance.yml", described)
    with pytest.raises(ConfigurationError, match="This host has other, test"):
        instance.load()


def test_a_host_without_instances_says_so(etc):
    (etc / "test" / "instance.yml").unlink()
    with pytest.raises(ConfigurationError, match="This host has none"):
        instance.load()


@pytest.mark.parametrize("where", ["absent", "./absent.yml"])
def test_an_instance_that_is_not_there_is_named(etc, where):
    with pytest.raises(ConfigurationError, match=r"There is no instance file .*absent"):
        instance.load(where)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"nmae": "x"}, "nmae"),
        ({"server": {"container": "c", "socket_dir": "/run", "port": 1, "prot": 2}}, "server.prot"),
        ({"server": {"container": "c", "socket_dir": "/run"}}, "server.port"),
        ({"server": {"container": "c", "socket_dir": "/run", "port": "many"}}, "server.port"),
        ({"name": None}, "name"),
    ],
)
def test_a_wrong_key_is_named_with_its_file(etc, described, change, key):
    path = write(etc / "test" / "instance.yml", described | change)
    with pytest.raises(ConfigurationError, match="no valid instance file") as refused:
        instance.load()
    assert str(path) in refused.value.what
    assert key in refused.value.what


@pytest.mark.parametrize("text", ["", "a: [", "just words"])
def test_a_file_without_keys_is_refused(etc, text):
    (etc / "test" / "instance.yml").write_text(text)
    with pytest.raises(ConfigurationError, match="no valid instance file"):
        instance.load()


def test_the_connection_string_holds_the_socket_and_no_password(etc):
    dsn = instance.load().dsn("dadm_db", "howdah_migrator")
    assert dsn.endswith("/socket port=5432 user=howdah_migrator dbname=dadm_db")
    assert "password" not in dsn


@pytest.mark.parametrize(
    ("out", "err", "last"),
    [
        ("a\nb\n", "", "b"),
        ("", "x\n", "x"),
        ("INFO: aborted\n", "WARN: w\nERROR: e\n", "ERROR: e"),
        (" \n", "", "no output"),
    ],
)
def test_the_last_line_is_the_last_thing_said_of_what_went_wrong(out, err, last):
    assert Output(1, out, err).last_line == last
