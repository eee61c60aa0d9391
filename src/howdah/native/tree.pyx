"""Digests and counts the rows of a table as they lie in the pages of a snapshot, without SQLite."""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from howdah.native.profile cimport Counts, Tally, Value


cdef extern from "buffer.h" nogil:
    ctypedef struct Buffer:
        size_t size
        int failed
    void buffer_free(Buffer *buffer)


cdef extern from "source.h" nogil:
    void value_digest(const Value *value, Buffer *row)
    uint64_t row_digest(const Buffer *row)


cdef extern from "tally.h" nogil:
    void tally_value(Tally *tally, const Value *value)
    int tally_full(const Tally *tally)


cdef extern from "tree.h" nogil:
    ctypedef struct Tree:
        pass
    int TREE_ROW, TREE_END, TREE_UNKNOWN
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

    cdef Tree _tree
    cdef Buffer _row
    cdef Value *_values
    cdef bytes _columns
    cdef uint32_t _root
    cdef bint _over

    def __cinit__(self, int file, uint32_t root, bytes columns, *, uint32_t page_size, uint32_t usable, uint32_t pages):
        self._root, self._columns = root, columns
        self._values = <Value *>calloc(len(columns) + 1, sizeof(Value))
        if not self._values:
            raise MemoryError
        if not tree_open(&self._tree, file, page_size, usable, pages):
            raise UnknownError

    def __dealloc__(self):
        tree_close(&self._tree)
        buffer_free(&self._row)
        free(self._values)

    def read(self, int64_t rows):
        cdef bytearray locators = bytearray(8 * rows), digests = bytearray(8 * rows)
        cdef int64_t *locator = <int64_t *><char *>locators
        cdef uint64_t *digest = <uint64_t *><char *>digests
        cdef const uint8_t *columns = self._columns
        cdef int count = len(self._columns)
        cdef int64_t done = 0
        cdef int result = TREE_END
        if not self._over:
            with nogil:
                result = self._take(locator, digest, rows, columns, count, &done)
        if result == TREE_UNKNOWN or self._row.failed:
            raise UnknownError
        self._over = result == TREE_END
        del locators[8 * done:]
        del digests[8 * done:]
        return locators, digests

    def count(self, columns):
        cdef const uint8_t *kinds = self._columns
        cdef int size = len(self._columns), place, result = TREE_ROW
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
                    result = self._count(tallies, kinds, size, &rows)
                PyErr_CheckSignals()
                for counts in columns:
                    if result == TREE_END or tally_full(&counts._tally):
                        counts._hand_over()
        finally:
            free(tallies)
        if result == TREE_UNKNOWN:
            raise UnknownError
        return rows

    cdef int _next(self, int64_t *rowid, const uint8_t *columns, int count) noexcept nogil:
        """Read the values of the next row; return whether there is one."""
        cdef const uint8_t *record = NULL
        cdef uint64_t size = 0
        cdef int result = tree_next(&self._tree, self._root, rowid, &record, &size)
        if result == TREE_ROW and not tree_values(record, size, rowid[0], columns, count, self._values):
            return TREE_UNKNOWN
        return result

    cdef int _take(
        self, int64_t *locators, uint64_t *digests, int64_t rows, const uint8_t *columns, int count, int64_t *done
    ) noexcept nogil:
        """Take in rows; return what came after the last one."""
        cdef int result = TREE_ROW, place
        while done[0] < rows:
            result = self._next(&locators[done[0]], columns, count)
            if result != TREE_ROW:
                break
            self._row.size = 0
            for place in range(count):
                value_digest(&self._values[place], &self._row)
            digests[done[0]] = row_digest(&self._row)
            done[0] += 1
        return result

    cdef int _count(self, Tally **tallies, const uint8_t *columns, int count, int64_t *rows) noexcept nogil:
        """Count rows, until Python is to have its turn; return what came last."""
        cdef int64_t rowid = 0, end = rows[0] + _ROWS
        cdef int result = TREE_ROW, place, full = 0
        while rows[0] < end and not full:
            result = self._next(&rowid, columns, count)
            if result != TREE_ROW:
                break
            for place in range(count):
                tally_value(tallies[place], &self._values[place])
                full |= tally_full(tallies[place])
            rows[0] += 1
        return result
