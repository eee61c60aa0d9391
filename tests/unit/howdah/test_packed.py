"""Text that was packed is the same again, however often it is read, and takes fewer bytes meanwhile."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from howdah.packed import _PIECE, Packed


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=50), max_size=20), st.integers(0, 400))
def test_it_is_the_same_text_every_time(parts, times):
    packed = Packed(iter(parts * times))
    for _ in range(2):
        assert "".join(packed) == "".join(parts * times)


def test_it_is_read_a_piece_at_a_time_and_held_in_few_bytes():
    packed = Packed("é" * 1000 for _ in range(1000))
    assert max(map(len, packed)) <= _PIECE
    assert sys.getsizeof(packed._held) < 20_000
