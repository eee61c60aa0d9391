"""A fingerprint changes with what it stands for, and with nothing else."""

from __future__ import annotations

import pytest

from howdah.fingerprint import content_hash, fingerprint, templates_folder


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "src" / "howdah"
    (folder / "cli").mkdir(parents=True)
    (folder / "plan.py").write_text("a = 1\n")
    (folder / "cli" / "plan.py").write_text("b = 1\n")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "report.html.j2").write_text("<p>")
    return folder


def test_it_is_twelve_hexadecimal_digits_and_the_same_again(package):
    assert len(fingerprint(package)) == 12
    assert int(fingerprint(package), 16) >= 0
    assert fingerprint(package) == fingerprint(package)


def test_a_changed_byte_changes_it(package):
    before = fingerprint(package)
    (package / "plan.py").write_text("a = 2\n")
    assert fingerprint(package) != before


def test_a_changed_template_changes_it(package):
    before = fingerprint(package)
    (package.parents[1] / "templates" / "report.html.j2").write_text("<b>")
    assert fingerprint(package) != before


def test_a_renamed_file_changes_it(package):
    before = fingerprint(package)
    (package / "plan.py").rename(package / "plans.py")
    assert fingerprint(package) != before


def test_a_moved_file_changes_it(package):
    before = fingerprint(package)
    (package / "cli" / "plan.py").rename(package / "cli.py")
    assert fingerprint(package) != before


def test_two_files_that_swap_their_contents_change_it(package):
    before = fingerprint(package)
    (package / "plan.py").write_text("b = 1\n")
    (package / "cli" / "plan.py").write_text("a = 1\n")
    assert fingerprint(package) != before


def test_an_empty_file_more_changes_it(package):
    before = fingerprint(package)
    (package / "cli" / "__init__.py").touch()
    assert fingerprint(package) != before


@pytest.mark.parametrize(
    ("files", "others"),
    [
        ({"x": "ab", "y": "c"}, {"x": "a", "y": "bc"}),
        ({"x": "a", "y": "b"}, {"x": "a/yb"}),
        ({"xa": "b"}, {"x": "ab"}),
    ],
)
def test_where_a_file_and_its_name_end_counts(tmp_path, files, others):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, contents in ((one, files), (other, others)):
        folder.mkdir()
        for name, content in contents.items():
            (folder / name).write_text(content)
    assert content_hash([("", one)]) != content_hash([("", other)])


@pytest.mark.parametrize("noise", ["__pycache__/plan.cpython-311.pyc", "cli/__pycache__/notes.txt", "old.pyc"])
def test_compiled_files_do_not_change_it(package, noise):
    before = fingerprint(package)
    (package / noise).parent.mkdir(exist_ok=True)
    (package / noise).write_bytes(b"\x00")
    assert fingerprint(package) == before


def test_where_the_folder_lies_does_not_change_it(package, tmp_path):
    before = fingerprint(package)
    (tmp_path / "elsewhere").mkdir()
    for name in ("src", "templates"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    assert fingerprint(tmp_path / "elsewhere" / "src" / "howdah") == before


def test_an_installed_engine_has_the_fingerprint_of_its_checkout(package, tmp_path):
    before = fingerprint(package)
    installed = tmp_path / "site-packages" / "howdah"
    installed.parent.mkdir()
    package.rename(installed)
    (tmp_path / "templates").rename(installed / "_templates")
    assert templates_folder(installed) == installed / "_templates"
    assert fingerprint(installed) == before
