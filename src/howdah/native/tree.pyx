"""Reads and counts the rows of a table as they lie in the pages of a snapshot, without SQLite."""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from howdah.native.profile cimport Counts, Tally
from howdah.native.source cimport Value


cdef extern from "tally.h" nogil:
    void tally_value(Tally *tally, const Value *value)
    int tally_full(const Tally *tally)


cdef extern from "tree.h" nogil:
    int tree_open(Tree *tree, int file, uint32_t page_size, uint32_t usable, uint32_t pages)
    void tree_close(Tree *tree)
    int tree_next(Tree *tree, uint32_t root, int64_t *rowid, const uint8_t **record, uint64_t *size)
    int tree_values(
        const uint8_t *record, uint64_t size, int64_t rowid, const uint8_t *columns, int count, Value *values
    )


# Rows after which Python may handle a signal, such as that of Ctrl-C.
cdef int64_t _ROWS = 1 << 16


class UnknownError(Exception):
    """These pages or rows are not of the usual kind."""


cdef class StoredRows:
    """The rows of a table; see the stub."""

    def __cinit__(self, int file, uint32_t root, bytes columns, *, uint32_t page_size, uint32_t usable, uint32_t pages):
        self._root, self._held, self._kinds, self.columns = root, columns, columns, len(columns)
        self.values = <Value *>calloc(len(columns) + 1, sizeof(Value))
        if not self.values:
            raise MemoryError
        if not tree_open(&self._tree, file, page_size, usable, pages):
            raise UnknownError

    def __dealloc__(self):
        tree_close(&self._tree)
        free(self.values)

    def count(self, columns):
        cdef int size = self.columns, place, result = TREE_ROW
        cdef int64_t rows = 0
        cdef Counts counts
        if len(columns) != size:
            raise ValueError("A table has as many counts as columns.")
        cdef Tally **tallies = <Tally **>calloc(size + 1, sizeof(Tally *))
        if not tallies:
            raise MemoryError
        try:
            for place, counts in enumerate(columns):
                tallies[place] = &counts._tally
            while result == TREE_ROW:
                with nogil:
                    result = self._count(tallies, &rows)
                PyErr_CheckSignals()
                for counts in columns:
                    if result == TREE_END or tally_full(&counts._tally):
                        counts._hand_over()
        finally:
            free(tallies)
        if result == TREE_UNKNOWN:
            raise UnknownError
        return rows

    cdef int next(self, int64_t *rowid) noexcept nogil:
        """Read the values of the next row; return whether there is one."""
        cdef const uint8_t *record = NULL
        cdef uint64_t size = 0
        cdef int result = tree_next(&self._tree, self._root, rowid, &record, &size)
        if result == TREE_ROW and not tree_values(
            record, size, rowid[0], self._kinds, self.columns, self.values
        ):
            return TREE_UNKNOWN
        return result

    cdef int _count(self, Tally **tallies, int64_t *rows) noexcept nogil:
        """Count rows, until Python is to have its turn; return what came last."""
        cdef int64_t rowid = 0, end = rows[0] + _ROWS
        cdef int result = TREE_ROW, place, full = 0
        while rows[0] < end and not full:
            result = self.next(&rowid)
            if result != TREE_ROW:
                break
            for place in range(self.columns):
                tally_value(tallies[place], &self.values[place])
                full |= tally_full(tallies[place])
            rows[0] += 1
        return result
