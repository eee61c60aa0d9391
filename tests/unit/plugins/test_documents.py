"""howdah_documents: files as described, secrets filled in on the host, and none of them shown."""

from __future__ import annotations

import os

import pytest

OLD, NEW = "Corre7tHorse8Battery", "Zebra5Staple9Quarter"


@pytest.fixture
def vault(tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    (folder / "dadm_user").write_text(f"{OLD}\n")
    return folder


@pytest.fixture
def settle(run, mine, tmp_path, vault):
    """Return a function that settles one document in ``out``, and says what the module answered."""

    def go(content=None, *, name="service.env", **options):
        item = {"path": str(tmp_path / name), "mode": "0600", **mine}
        item |= {"content": content} if content is not None else {}
        item |= {key: options.pop(key) for key in ("mode", "copy_of") if key in options}
        return run("howdah_documents", documents=[item], secrets_dir=str(vault), **options)

    return go


def test_a_new_file_is_written_with_its_secret_and_mode(settle, tmp_path):
    answer = settle("PASSWORD=@@dadm_user@@\n")
    path = tmp_path / "service.env"
    assert answer["changed"]
    assert answer["written"] == [str(path)]
    assert path.read_text() == f"PASSWORD={OLD}\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_second_time_changes_nothing(settle, tmp_path):
    settle("PASSWORD=@@dadm_user@@\n")
    inode = (tmp_path / "service.env").stat().st_ino
    answer = settle("PASSWORD=@@dadm_user@@\n")
    assert (answer["changed"], answer["written"], answer["diff"]) == (False, [], [])
    assert (tmp_path / "service.env").stat().st_ino == inode


def test_another_mode_changes_the_file_and_not_its_content(settle, tmp_path):
    settle("a\n")
    answer = settle("a\n", mode="0640")
    assert (answer["changed"], answer["written"]) == (True, [])
    assert (tmp_path / "service.env").stat().st_mode & 0o777 == 0o640


def test_a_secret_beside_an_at_sign_is_found(settle, tmp_path):
    settle("URL=postgresql://u:@@dadm_user@@@host:6432/db\n")
    assert (tmp_path / "service.env").read_text() == f"URL=postgresql://u:{OLD}@host:6432/db\n"


def test_a_diff_shows_the_mark_and_never_the_secret(settle):
    settle("PASSWORD=@@dadm_user@@\nPOOL=1\n")
    answer = settle("PASSWORD=@@dadm_user@@\nPOOL=2\n")
    assert answer["diff"][0]["before"] == "PASSWORD=@@dadm_user@@\nPOOL=1\n"
    assert answer["diff"][0]["after"] == "PASSWORD=@@dadm_user@@\nPOOL=2\n"
    assert OLD not in answer["printed"]


def test_a_rotated_secret_is_shown_neither_old_nor_new(settle, vault, tmp_path):
    settle("PASSWORD=@@dadm_user@@\n")
    (vault / "dadm_user").write_text(f"{NEW}\n")
    answer = settle("PASSWORD=@@dadm_user@@\n")
    assert (tmp_path / "service.env").read_text() == f"PASSWORD={NEW}\n"
    assert answer["diff"][0]["before"] == "(holds other secrets; not shown)\n"
    assert OLD not in answer["printed"]
    assert NEW not in answer["printed"]


def test_a_secret_that_the_new_document_does_not_hold_is_not_shown(settle, vault):
    """As when a user is taken from a list of users."""
    (vault / "echo_user").write_text(f"{NEW}\n")
    settle("one @@dadm_user@@\ntwo @@echo_user@@\n")
    answer = settle("one @@dadm_user@@\n")
    assert answer["diff"][0]["before"] == "one @@dadm_user@@\ntwo @@echo_user@@\n"
    assert NEW not in answer["printed"]


def test_a_document_that_loses_all_its_secrets_shows_none(settle):
    settle("PASSWORD=@@dadm_user@@\n")
    answer = settle("no password\n")
    assert answer["diff"][0]["before"] == "PASSWORD=@@dadm_user@@\n"
    assert OLD not in answer["printed"]


def test_a_secret_that_begins_like_another_is_masked_whole(settle, vault):
    (vault / "longer").write_text(f"{OLD}{NEW}\n")
    settle("a @@dadm_user@@\nb @@longer@@\n")
    answer = settle("b @@longer@@\n")
    assert answer["diff"][0]["before"] == "a @@dadm_user@@\nb @@longer@@\n"
    assert NEW not in answer["printed"]


def test_check_mode_says_the_same_and_writes_nothing(settle, tmp_path):
    answer = settle("PASSWORD=@@dadm_user@@\n", check=True)
    assert (answer["changed"], answer["written"]) == (True, [str(tmp_path / "service.env")])
    assert not (tmp_path / "service.env").exists()
    settle("PASSWORD=@@dadm_user@@\n")
    assert settle("PASSWORD=@@dadm_user@@\n", check=True)["changed"] is False
    assert settle("other\n", check=True)["changed"] is True
    assert settle("PASSWORD=@@dadm_user@@\n", check=True, mode="0644")["changed"] is True
    assert (tmp_path / "service.env").read_text() == f"PASSWORD={OLD}\n"
    assert (tmp_path / "service.env").stat().st_mode & 0o777 == 0o600


def test_where_the_engine_is_not_installed_yet_only_check_mode_goes_on(settle, tmp_path):
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "howdah.py").write_text("raise ImportError('not here')\n")
    bare = {"PYTHONPATH": str(tmp_path / "shadow")}
    assert settle("a\n", check=True, env=bare)["changed"]
    answer = settle("a\n", env=bare)
    assert answer["failed"]
    assert "run the role howdah_runtime first" in answer["msg"]


@pytest.mark.parametrize("content", ["one\r\ntwo\r\n", "\ufffd\n"])
def test_line_ends_and_odd_characters_settle(settle, content):
    assert settle(content)["changed"]
    assert not settle(content)["changed"]


def test_a_file_that_is_no_text_is_replaced(settle, tmp_path):
    (tmp_path / "service.env").write_bytes(b"\xff\xfe")
    assert settle("a\n")["changed"]
    assert (tmp_path / "service.env").read_text() == "a\n"


def test_a_missing_secret_is_named_and_nothing_is_written(settle, vault, tmp_path):
    answer = settle("PASSWORD=@@nobody@@\n")
    assert answer["failed"]
    assert answer["msg"] == f"The secret {vault / 'nobody'} is missing. Run playbooks/site.yml, which makes it."
    assert not (tmp_path / "service.env").exists()


def test_a_mark_without_a_folder_of_secrets_is_refused(run, mine, tmp_path):
    answer = run("howdah_documents", documents=[{"path": str(tmp_path / "a"), "content": "@@dadm_user@@", **mine}])
    assert "The secret /dadm_user is missing" in answer["msg"]


def test_a_copy_has_the_content_of_its_origin(settle, tmp_path):
    (tmp_path / "server.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    assert settle(copy_of=str(tmp_path / "server.crt"), name="ca.crt")["changed"]
    assert (tmp_path / "ca.crt").read_text() == "-----BEGIN CERTIFICATE-----\n"
    assert not settle(copy_of=str(tmp_path / "server.crt"), name="ca.crt")["changed"]


def test_a_copy_of_nothing_is_named(settle, tmp_path):
    answer = settle(copy_of=str(tmp_path / "absent.crt"), name="ca.crt")
    assert answer["msg"] == f"{tmp_path / 'absent.crt'} is missing, so {tmp_path / 'ca.crt'} cannot be a copy of it."


@pytest.mark.parametrize("options", [{}, {"content": "a", "copy_of": "/b"}])
def test_a_document_has_either_content_or_an_origin(run, mine, tmp_path, options):
    answer = run("howdah_documents", documents=[{"path": str(tmp_path / "a"), **mine, **options}])
    assert answer["failed"]
    assert "content" in answer["msg"]
    assert "copy_of" in answer["msg"]


def test_a_folder_that_is_missing_is_named(settle):
    answer = settle("a\n", name="absent/service.env")
    assert answer["failed"]
    assert "absent" in answer["msg"]
    assert "No such file or directory" in answer["msg"]


def test_folders_are_made_before_the_files_in_them(run, mine, tmp_path):
    folder = tmp_path / "a" / "b"
    wanted = {
        "directories": [{"path": str(folder), "mode": "0710", **mine}],
        "documents": [{"path": str(folder / "c"), "content": "c", **mine}],
    }
    assert run("howdah_documents", check=True, **wanted)["changed"]
    assert not folder.exists()
    assert run("howdah_documents", **wanted)["changed"]
    assert folder.stat().st_mode & 0o777 == 0o710
    assert (folder / "c").stat().st_mode & 0o777 == 0o644
    assert not run("howdah_documents", **wanted)["changed"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_a_file_gets_its_owner(run, tmp_path):
    path = tmp_path / "a"
    run("howdah_documents", documents=[{"path": str(path), "content": "a", "owner": "5432", "group": "6432"}])
    assert (path.stat().st_uid, path.stat().st_gid) == (5432, 6432)
