"""Counts what the values of each column of a SQLite table are, in one pass over its rows."""

import sqlite3

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from howdah.native cimport sqlite as c
from howdah.native.source cimport Value


cdef extern from "tally.h" nogil:
    void tally_add(Tally *tally, c.sqlite3_value *argument)
    int tally_full(const Tally *tally)


# Rows after which Python may handle a signal, such as that of Ctrl-C.
cdef int64_t _ROWS = 1 << 16
# A function takes 127 arguments at most; the first one says which columns the others are.
cdef int _PER_CALL = 126
cdef int _CORRUPT = 11, _NOT_A_DATABASE = 26


cdef class Counts:
    """What the values of a column are; see the stub."""

    def __cinit__(
        self, str sql, *, bint measured=False, bint booleans=False, bint timely=False, bytes alphabet=None, shaped=None
    ):
        self.sql = sql
        self._tally.measured, self._tally.booleans, self._tally.timely = measured, booleans, timely
        if alphabet is None:
            return
        if len(alphabet) != 256:
            raise ValueError("An alphabet has 256 bytes.")
        self._tally.shapes = <Shapes *>calloc(1, sizeof(Shapes))
        if not self._tally.shapes:
            raise MemoryError
        memcpy(self._tally.shapes.alphabet, <const uint8_t *>alphabet, 256)
        self._shaped = shaped

    def __dealloc__(self):
        free(self._tally.shapes)

    @property
    def integers(self):
        return self._tally.counts[c.SQLITE_INTEGER]

    @property
    def reals(self):
        return self._tally.counts[c.SQLITE_FLOAT]

    @property
    def texts(self):
        return self._tally.counts[c.SQLITE_TEXT]

    @property
    def blobs(self):
        return self._tally.counts[c.SQLITE_BLOB]

    @property
    def smallest(self):
        return _number(&self._tally.smallest)

    @property
    def largest(self):
        return _number(&self._tally.largest)

    @property
    def longest(self):
        return self._tally.longest

    @property
    def truths(self):
        return self._tally.truths

    @property
    def words(self):
        return self._tally.words

    @property
    def finer(self):
        return self._tally.finer

    cdef _hand_over(self):
        """Tell of the shapes that were found since the last time."""
        cdef Shape *shape
        cdef int slot
        if not self._tally.shapes:
            return
        for slot in range(SHAPE_SLOTS):
            shape = &self._tally.shapes.slots[slot]
            if shape.count:
                self._shaped((<const char *>shape.bytes)[:shape.size], shape.count)
        shapes_clear(self._tally.shapes)


cdef _number(const Value *value):
    if value.type == c.SQLITE_INTEGER:
        return value.integer
    return value.real if value.type == c.SQLITE_FLOAT else None


cdef struct Scan:
    Tally **tallies
    int64_t rows
    void *source


cdef class Source:
    """A SQLite file that is read; see the stub."""

    cdef c.sqlite3 *_connection
    cdef Scan _scan
    cdef list _columns
    cdef object _problem

    def __cinit__(self, str uri):
        cdef bytes name = uri.encode()
        cdef int flags = c.SQLITE_OPEN_READONLY | c.SQLITE_OPEN_URI | c.SQLITE_OPEN_NOMUTEX
        self._scan.source = <void *>self
        self._check(c.sqlite3_open_v2(name, &self._connection, flags, NULL))
        # Not for the file's own views, whose arguments would be places in memory.
        flags = c.SQLITE_UTF8 | c.SQLITE_DIRECTONLY
        self._check(
            c.sqlite3_create_function_v2(
                self._connection, b"howdah_tally", -1, flags, &self._scan, NULL, _step, _final, NULL
            )
        )

    def __dealloc__(self):
        c.sqlite3_close(self._connection)

    def close(self):
        c.sqlite3_close(self._connection)
        self._connection = NULL

    def scan(self, str rows, parameters, columns):
        cdef bytes sql = _query(rows, columns), text
        cdef c.sqlite3_stmt *statement = NULL
        cdef Counts counts
        cdef int place, result
        if not self._connection:
            raise ValueError("The source is closed.")
        self._columns, self._scan.rows, self._problem = list(columns), 0, None
        self._scan.tallies = <Tally **>calloc(len(self._columns) + 1, sizeof(Tally *))
        if not self._scan.tallies:
            raise MemoryError
        try:
            for place, counts in enumerate(self._columns):
                self._scan.tallies[place] = &counts._tally
            self._check(c.sqlite3_prepare_v2(self._connection, sql, -1, &statement, NULL))
            for place, parameter in enumerate(parameters):
                text = parameter.encode()
                self._check(c.sqlite3_bind_text(statement, place + 1, text, len(text), c.SQLITE_TRANSIENT))
            with nogil:
                result = c.sqlite3_step(statement)
            if self._problem is not None:
                raise self._problem
            if result != c.SQLITE_ROW:
                self._check(result)
            for counts in self._columns:
                counts._hand_over()
            return self._scan.rows
        finally:
            free(self._scan.tallies)
            c.sqlite3_finalize(statement)

    cdef _check(self, int result):
        """Raise what the module sqlite3 would, unless all is well."""
        if result == c.SQLITE_OK:
            return
        sentence = (<bytes>c.sqlite3_errmsg(self._connection)).decode("utf-8", "replace")
        corrupt = result & 0xFF in (_CORRUPT, _NOT_A_DATABASE)
        raise (sqlite3.DatabaseError if corrupt else sqlite3.OperationalError)(sentence)

    cdef _turn(self):
        """Let Python have its turn."""
        cdef Counts counts
        PyErr_CheckSignals()
        for counts in self._columns:
            if tally_full(&counts._tally):
                counts._hand_over()


cdef bytes _query(str rows, columns):
    names = [column.sql for column in columns]
    parts = [names[start : start + _PER_CALL] for start in range(0, max(len(names), 1), _PER_CALL)]
    calls = [f"howdah_tally({', '.join([str(number * _PER_CALL), *part])})" for number, part in enumerate(parts)]
    return f"SELECT {', '.join(calls)} FROM {rows}".encode()


cdef void _step(c.sqlite3_context *context, int size, c.sqlite3_value **arguments) noexcept nogil:
    """Take in a row, or a part of one."""
    cdef Scan *scan = <Scan *>c.sqlite3_user_data(context)
    cdef int first = <int>c.sqlite3_value_int64(arguments[0]), place, full = 0
    cdef Tally **tallies = scan.tallies + first
    for place in range(size - 1):
        tally_add(tallies[place], arguments[place + 1])
        full |= tally_full(tallies[place])
    if first == 0:
        scan.rows += 1
        full |= scan.rows % _ROWS == 0
    if full and not _go_on(scan.source):
        c.sqlite3_result_error(context, b"stopped", -1)


cdef bint _go_on(void *source) noexcept with gil:
    """Let Python have its turn; return whether the pass shall go on."""
    try:
        (<Source>source)._turn()
    except BaseException as problem:
        # SQLite knows no exceptions: raised once its statement has come to its end.
        (<Source>source)._problem = problem
        return False
    return True


cdef void _final(c.sqlite3_context *context) noexcept nogil:
    c.sqlite3_result_null(context)
