"""application.yml: what is wrong is named, with file and key."""

from __future__ import annotations

import pytest
import yaml

from howdah import application
from howdah.errors import ConfigurationError

GOOD = {
    "name": "shop",
    "title": "Shop",
    "database": "shop_db",
    "schema": "public",
    "namespace": "6f1f0000-0000-4000-8000-000000000001",
    "sources": [{"name": "main", "path": "data/*.db", "tables": ["t"]}],
    "tables": {"t": {"columns": {"id": {"cast": "uuid5", "keep": "legacy_id"}}}},
    "services": [{"name": "web", "role": "web_user", "workers": 2, "sources": ["main"]}],
}


def load(tmp_path, **changes):
    (tmp_path / "application.yml").write_text(yaml.safe_dump(GOOD | changes))
    return application.load(tmp_path)


def test_a_good_file(tmp_path):
    found = load(tmp_path)
    assert (found.schema_, found.sources[0].tables, found.services[0].max_overflow) == ("public", ("t",), 10)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"nmae": "x"}, "nmae"),
        ({"name": "Shop!"}, "name"),
        ({"sources": []}, "sources"),
        ({"sources": [{"name": "a", "path": "x"}, {"name": "a", "path": "y"}]}, "same name"),
        ({"schema": "howdah"}, "reserved"),
        ({"namespace": None}, "needs namespace"),
        ({"tables": {"t": {"columns": {"c": {"cast": "guess"}}}}}, "tables.t.columns.c"),
        ({"tables": {"t": {"columns": {"c": {"drop": True, "target": "x"}}}}}, "drop stands alone"),
        ({"tables": {"t": {"columns": {"c": {"keep": "x"}}}}}, "keep needs cast: uuid5"),
        ({"services": [{"name": "w", "role": "r", "sources": ["other"]}]}, "'other'"),
        ({"services": [{"name": "w", "role": "r", "workers": 0}]}, "services.0.workers"),
    ],
)
def test_a_wrong_key_is_named_with_its_file(tmp_path, changes, key):
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, **changes)
    assert str(tmp_path / "application.yml") in caught.value.what
    assert key in caught.value.what


def test_no_file_and_no_yaml(tmp_path):
    with pytest.raises(ConfigurationError, match="is missing"):
        application.load(tmp_path)
    (tmp_path / "application.yml").write_text("a: [")
    with pytest.raises(ConfigurationError, match="no valid YAML"):
        application.load(tmp_path)
