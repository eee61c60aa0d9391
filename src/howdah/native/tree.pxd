"""What other compiled modules use of this one."""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from howdah.native.profile cimport Tally
from howdah.native.source cimport Value


cdef extern from "tree.h" nogil:
    ctypedef struct Tree:
        pass
    int TREE_ROW, TREE_END, TREE_UNKNOWN


cdef class StoredRows:
    # Those of the row that was read last; ``columns`` is how many there are.
    cdef Value *values
    cdef int columns
    cdef Tree _tree
    cdef bytes _held
    cdef const uint8_t *_kinds
    cdef uint32_t _root

    cdef int next(self, int64_t *rowid) noexcept nogil
    cdef int _count(self, Tally **tallies, int64_t *rows) noexcept nogil
