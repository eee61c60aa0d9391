"""howdah_secret: made once, kept, replaced only by a value that the operator gives, and never shown."""

from __future__ import annotations

import pytest

from howdah.secrets import verifier_matches


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "secrets"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def settle(run, folder):
    def go(*names, **options):
        return run("howdah_secret", directory=str(folder), names=list(names or ["dadm_user"]), **options)

    return go


def kept(folder, name="dadm_user"):
    return (folder / name).read_text().rstrip("\n")


def files(folder):
    return {path.name: (path.read_text(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_a_password_is_made_with_a_verifier_that_matches(settle, folder):
    answer = settle()
    assert answer["changed"]
    assert answer["created"] == ["dadm_user"]
    assert len(kept(folder)) >= 32
    assert verifier_matches(answer["verifiers"]["dadm_user"], kept(folder))
    assert (folder / "dadm_user.scram").read_text().strip() == answer["verifiers"]["dadm_user"]


def test_both_files_are_private(settle, folder):
    settle()
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert len(list(folder.iterdir())) == 2


def test_a_second_time_changes_nothing_and_gives_the_same_verifier(settle, folder):
    first, before = settle(), files(folder)
    second = settle()
    assert (second["changed"], second["created"]) == (False, [])
    assert second["verifiers"] == first["verifiers"]
    assert files(folder) == before


def test_every_name_has_a_password_of_its_own(settle, folder):
    assert settle("a", "b")["created"] == ["a", "b"]
    assert kept(folder, "a") != kept(folder, "b")
    assert settle("a", "b", "c")["created"] == ["c"]


def test_a_given_value_replaces_the_made_one_and_its_verifier(settle, folder):
    made = settle()
    answer = settle(values={"dadm_user": "Correct7Horse"})
    assert answer["created"] == ["dadm_user"]
    assert kept(folder) == "Correct7Horse"
    assert answer["verifiers"] != made["verifiers"]
    assert verifier_matches(answer["verifiers"]["dadm_user"], "Correct7Horse")
    assert settle(values={"dadm_user": "Correct7Horse"})["changed"] is False


def test_a_value_that_is_no_longer_given_stays(settle, folder):
    settle(values={"dadm_user": "Correct7Horse"})
    assert settle()["changed"] is False
    assert kept(folder) == "Correct7Horse"


def test_a_value_for_another_name_is_not_used(settle, folder):
    settle(values={"echo_user": "Correct7Horse"})
    assert kept(folder) != "Correct7Horse"
    assert not (folder / "echo_user").exists()


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_value_is_no_value(settle, folder, empty):
    settle(values={"dadm_user": empty})
    before = files(folder)
    assert len(kept(folder)) >= 32
    assert settle(values={"dadm_user": empty})["changed"] is False
    assert files(folder) == before


@pytest.mark.parametrize(("given", "password"), [("Correct7Horse\n", "Correct7Horse"), (12345678, "12345678")])
def test_a_value_as_yaml_gives_it_is_settled_at_once(settle, folder, given, password):
    assert settle(values={"dadm_user": given})["changed"]
    assert kept(folder) == password
    assert settle(values={"dadm_user": given})["changed"] is False


def test_a_verifier_that_does_not_match_is_made_again(settle, folder):
    settle()
    password = kept(folder)
    (folder / "dadm_user.scram").write_text("SCRAM-SHA-256$1:AA==$AA==:AA==\n")
    assert settle()["created"] == ["dadm_user"]
    assert kept(folder) == password
    assert verifier_matches((folder / "dadm_user.scram").read_text(), password)


def test_without_verifiers_there_is_only_the_secret(settle, folder):
    answer = settle("repository-passphrase", verifiers=False)
    assert [path.name for path in folder.iterdir()] == ["repository-passphrase"]
    assert answer["verifiers"] == {"repository-passphrase": ""}
    assert settle("repository-passphrase", verifiers=False)["changed"] is False


def test_check_mode_says_the_same_and_writes_nothing(settle, folder):
    assert settle(check=True)["created"] == ["dadm_user"]
    assert list(folder.iterdir()) == []
    settle()
    before = files(folder)
    assert settle(check=True)["changed"] is False
    assert settle(check=True, values={"dadm_user": "Correct7Horse"})["changed"] is True
    assert files(folder) == before


def test_check_mode_needs_no_folder(run, tmp_path):
    answer = run("howdah_secret", check=True, directory=str(tmp_path / "absent"), names=["a"])
    assert answer["created"] == ["a"]
    assert not (tmp_path / "absent").exists()


def test_no_password_is_ever_printed(settle, folder):
    printed = settle()["printed"] + settle()["printed"]
    assert kept(folder) not in printed
    given = settle(values={"dadm_user": "Correct7Horse"})["printed"]
    assert "Correct7Horse" not in given


def test_a_missing_folder_is_made_and_an_open_one_is_closed(run, tmp_path):
    folder = tmp_path / "new" / "secrets"
    assert run("howdah_secret", directory=str(folder), names=["a"])["changed"]
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    run("howdah_secret", directory=str(folder), names=["a"])
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_password_that_a_url_would_change_is_refused_and_not_written(run, tmp_path):
    answer = run("howdah_secret", directory=str(tmp_path / "secrets"), names=["a"], values={"a": "p@ss word"})
    assert answer["failed"]
    assert "The password of a has characters" in answer["msg"]
    assert "p@ss word" not in answer["printed"]
    assert not (tmp_path / "secrets" / "a").exists()


def test_what_another_party_made_is_kept_as_it_is_and_never_generated(settle, folder):
    key = "abc/def+ghi="
    answer = settle("repository2-key", values={"repository2-key": key}, verifiers=False, given_only=True)
    assert (answer["changed"], kept(folder, "repository2-key")) == (True, key)
    assert settle("repository2-key", verifiers=False, given_only=True)["changed"] is False
    missing = settle("repository2-key-secret", verifiers=False, given_only=True)
    assert missing["failed"]
    assert "repository2-key-secret was not given" in missing["msg"]
    assert not (folder / "repository2-key-secret").exists()
