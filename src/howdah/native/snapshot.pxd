"""What other compiled modules use of this one."""

from howdah.native.sqlite cimport sqlite3


cdef class Snapshot:
    cdef sqlite3 *_connection
    cdef sqlite3 *handle(self) except NULL
    cdef str failure(self)
