"""What the compiled modules use of SQLite's C interface."""

from libc.stdint cimport int64_t


cdef extern from "sqlite3.h" nogil:
    ctypedef struct sqlite3
    ctypedef struct sqlite3_stmt
    ctypedef struct sqlite3_context
    ctypedef struct sqlite3_value
    ctypedef void (*sqlite3_destructor_type)(void *)
    ctypedef void (*call_type "void (*)(sqlite3_context *, int, sqlite3_value **)")(
        sqlite3_context *, int, sqlite3_value **
    )
    ctypedef void (*end_type "void (*)(sqlite3_context *)")(sqlite3_context *)
    sqlite3_destructor_type SQLITE_TRANSIENT
    int SQLITE_OK, SQLITE_ROW, SQLITE_DONE
    int SQLITE_DIRECTONLY, SQLITE_UTF8
    int SQLITE_INTEGER, SQLITE_FLOAT, SQLITE_TEXT, SQLITE_BLOB
    int SQLITE_OPEN_READONLY, SQLITE_OPEN_URI, SQLITE_OPEN_NOMUTEX
    int sqlite3_open_v2(const char *name, sqlite3 **connection, int flags, const char *vfs)
    int sqlite3_close(sqlite3 *connection)
    int sqlite3_close_v2(sqlite3 *connection)
    const char *sqlite3_errmsg(sqlite3 *connection)
    int sqlite3_prepare_v2(sqlite3 *connection, const char *sql, int size, sqlite3_stmt **statement, const char **tail)
    int sqlite3_bind_text(
        sqlite3_stmt *statement, int place, const char *text, int size, sqlite3_destructor_type destructor
    )
    int sqlite3_step(sqlite3_stmt *statement)
    int sqlite3_finalize(sqlite3_stmt *statement)
    int sqlite3_column_count(sqlite3_stmt *statement)
    int64_t sqlite3_column_int64(sqlite3_stmt *statement, int column)
    int sqlite3_create_function_v2(
        sqlite3 *connection, const char *name, int arguments, int text, void *data, call_type function,
        call_type step, end_type final, sqlite3_destructor_type destructor
    )
    void *sqlite3_user_data(sqlite3_context *context)
    void sqlite3_result_error(sqlite3_context *context, const char *sentence, int size)
    void sqlite3_result_int(sqlite3_context *context, int value)
    void sqlite3_result_null(sqlite3_context *context)
    int64_t sqlite3_value_int64(sqlite3_value *value)
