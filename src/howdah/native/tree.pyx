"""Digests the rows of a table as they lie in the pages of a snapshot, without SQLite."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t


cdef extern from "buffer.h" nogil:
    ctypedef struct Buffer:
        size_t size
        int failed
    void buffer_free(Buffer *buffer)


cdef extern from "source.h" nogil:
    uint64_t row_digest(const Buffer *row)


cdef extern from "tree.h" nogil:
    ctypedef struct Tree:
        pass
    int TREE_ROW, TREE_END, TREE_UNKNOWN
    int tree_open(Tree *tree, int file, uint32_t page_size, uint32_t usable, uint32_t pages)
    void tree_close(Tree *tree)
    int tree_next(Tree *tree, uint32_t root, int64_t *rowid, const uint8_t **record, uint64_t *size)
    int tree_digest(
        const uint8_t *record, uint64_t size, int64_t rowid, const uint8_t *columns, int count, Buffer *row
    )


class UnknownError(Exception):
    """These pages or rows are not of the usual kind."""


cdef class StoredRows:
    """The rows of a table; see the stub."""

    cdef Tree _tree
    cdef Buffer _row
    cdef bytes _columns
    cdef uint32_t _root
    cdef bint _over

    def __cinit__(self, int file, uint32_t root, bytes columns, *, uint32_t page_size, uint32_t usable, uint32_t pages):
        self._root, self._columns = root, columns
        if not tree_open(&self._tree, file, page_size, usable, pages):
            raise UnknownError

    def __dealloc__(self):
        tree_close(&self._tree)
        buffer_free(&self._row)

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

    cdef int _take(
        self, int64_t *locators, uint64_t *digests, int64_t rows, const uint8_t *columns, int count, int64_t *done
    ) noexcept nogil:
        """Take in rows; return what came after the last one."""
        cdef const uint8_t *record = NULL
        cdef uint64_t size = 0
        cdef int result = TREE_ROW
        while done[0] < rows:
            result = tree_next(&self._tree, self._root, &locators[done[0]], &record, &size)
            if result != TREE_ROW:
                break
            self._row.size = 0
            if not tree_digest(record, size, locators[done[0]], columns, count, &self._row):
                return TREE_UNKNOWN
            digests[done[0]] = row_digest(&self._row)
            done[0] += 1
        return result
