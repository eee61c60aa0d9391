"""A second repository that cannot be understood is refused by the role before anything changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import plays


@pytest.mark.parametrize(
    ("declared", "taken"),
    [
        ({"path": "/srv/second", "bucket": "backups", "endpoint": "s3.example.com"}, False),
        ({"bucket": "backups"}, False),
        ({"retention_full": 3}, False),
        ({"bucket": "backups", "endpoint": "s3.example.com"}, True),
    ],
)
def test_it_is_either_a_folder_or_a_bucket_with_its_endpoint(tmp_path: Path, declared: dict[str, Any], taken: bool):
    done = plays.run(tmp_path, "backup", "preflight", backup_second_repository=declared)
    assert (done.returncode == 0) is taken, done.stdout
    said = "needs either a path on the host, or a bucket with the endpoint of its store" in " ".join(
        done.stdout.split()
    )
    assert said is not taken
