"""What other compiled modules use of this one."""

from howdah.native.sqlite cimport sqlite3, sqlite3_stmt, sqlite3_value

# Takes the arguments of one call; returns whether the walk shall pause.
ctypedef bint (*Taker)(void *taker, int size, sqlite3_value **arguments) noexcept nogil


cdef class Snapshot:
    cdef sqlite3 *_connection
    cdef Taker _take
    cdef void *_taker
    cdef sqlite3 *handle(self) except NULL
    cdef str failure(self)
    cdef int walk(self, sqlite3_stmt *statement, Taker take, void *taker) noexcept nogil
