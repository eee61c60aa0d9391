"""A SQLite file, open for compiled code to read."""

from howdah.native.sqlite cimport (
    SQLITE_OK, SQLITE_OPEN_NOMUTEX, SQLITE_OPEN_READONLY, SQLITE_OPEN_URI, SQLITE_ROW, sqlite3, sqlite3_close_v2,
    sqlite3_column_int64, sqlite3_errmsg, sqlite3_finalize, sqlite3_open_v2, sqlite3_prepare_v2, sqlite3_step,
    sqlite3_stmt,
)


class OpenError(Exception):
    """SQLite cannot open the file; its own sentence."""


cdef class Snapshot:
    """A file that is open; see the stub."""

    def __cinit__(self, str uri):
        cdef bytes name = uri.encode()
        if sqlite3_open_v2(
            name, &self._connection, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL
        ) != SQLITE_OK:
            raise OpenError(self.failure())

    def __dealloc__(self):
        sqlite3_close_v2(self._connection)

    cdef sqlite3 *handle(self) except NULL:
        """Return SQLite's connection."""
        if not self._connection:
            raise ValueError("The snapshot is closed.")
        return self._connection

    cdef str failure(self):
        """Return SQLite's sentence about what went wrong last."""
        return (<bytes>sqlite3_errmsg(self._connection)).decode("utf-8", "replace")

    def number(self, str query):
        cdef sqlite3_stmt *statement = NULL
        cdef bytes text = query.encode("utf-8", "surrogateescape")
        cdef const char *sql = text
        cdef int state
        if sqlite3_prepare_v2(self.handle(), sql, -1, &statement, NULL) != SQLITE_OK:
            raise OpenError(self.failure())
        try:
            with nogil:
                state = sqlite3_step(statement)
            if state != SQLITE_ROW:
                raise OpenError(self.failure())
            return sqlite3_column_int64(statement, 0)
        finally:
            sqlite3_finalize(statement)

    def close(self):
        # What still reads from it ends first: so SQLite's second version has it.
        sqlite3_close_v2(self._connection)
        self._connection = NULL
