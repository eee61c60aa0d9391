"""A SQLite file, open for compiled code to read."""

from howdah.native.sqlite cimport (
    SQLITE_DIRECTONLY, SQLITE_OK, SQLITE_OPEN_NOMUTEX, SQLITE_OPEN_READONLY, SQLITE_OPEN_URI, SQLITE_ROW, SQLITE_UTF8,
    sqlite3, sqlite3_close_v2, sqlite3_column_int64, sqlite3_context, sqlite3_create_function_v2, sqlite3_errmsg,
    sqlite3_finalize, sqlite3_open_v2, sqlite3_prepare_v2, sqlite3_result_error, sqlite3_result_int, sqlite3_step,
    sqlite3_stmt, sqlite3_user_data, sqlite3_value,
)


cdef extern from *:
    """
    #include <stdlib.h>
    #ifdef __GLIBC__
    #include <malloc.h>
    static void return_unused(void) { malloc_trim(0); }
    #else
    static void return_unused(void) {}
    #endif
    """
    void return_unused() nogil


def give_back():
    with nogil:
        return_unused()


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
        # Not for the file's own views, whose arguments would be places in memory.
        if sqlite3_create_function_v2(
            self._connection, b"howdah_take", -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, <void *>self, _called, NULL, NULL, NULL
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

    cdef int walk(self, sqlite3_stmt *statement, Taker take, void *taker) noexcept nogil:
        """Go on with a query that has ``howdah_take`` for its condition, until it shall pause; return as a step does."""
        cdef int result
        self._take, self._taker = take, taker
        result = sqlite3_step(statement)
        self._take, self._taker = NULL, NULL
        return result


cdef void _called(sqlite3_context *context, int size, sqlite3_value **arguments) noexcept nogil:
    cdef void *source = sqlite3_user_data(context)
    if (<Snapshot>source)._take == NULL:
        sqlite3_result_error(context, b"howdah_take is not for queries of others", -1)
    else:
        sqlite3_result_int(context, (<Snapshot>source)._take((<Snapshot>source)._taker, size, arguments))
