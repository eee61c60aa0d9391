"""Every scenario passes, one after the other.

In one file, so that one worker runs them: each installs this project as a collection into the same folder, and two at
once take it from each other.
"""

from __future__ import annotations

from tests.molecule.scenario import passes


def test_a_server_is_provisioned_again_and_changed() -> None:
    passes("default")


def test_applications_move_and_nothing_moves_the_second_time() -> None:
    passes("migrate")
