"""Sums of the rows that a snapshot demands, and of those that PostgreSQL holds, in the canonical encoding."""

from libc.stdint cimport UINT32_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport bsearch, calloc, free
from libc.string cimport memcmp

from howdah.native.snapshot cimport Snapshot
from howdah.native.sqlite cimport (
    SQLITE_DONE, SQLITE_OK, SQLITE_ROW, sqlite3_column_count, sqlite3_column_int64, sqlite3_finalize,
    sqlite3_prepare_v2, sqlite3_step, sqlite3_stmt, sqlite3_value, sqlite3_value_int64,
)


cdef extern from "buffer.h" nogil:
    ctypedef struct Buffer:
        uint8_t *data
        size_t size
        int failed
    void buffer_add(Buffer *buffer, const void *data, size_t size)
    void buffer_free(Buffer *buffer)


cdef extern from "source.h" nogil:
    ctypedef struct Value:
        pass
    ctypedef struct XXH128_hash_t:
        uint64_t low64
        uint64_t high64
    void value_of(sqlite3_value *argument, Value *value)
    void value_read(sqlite3_stmt *statement, int column, Value *value)
    XXH128_hash_t XXH3_128bits(const void *data, size_t size)


cdef extern from "meaning.h" nogil:
    ctypedef struct Scratch:
        Buffer members
        Buffer spare


cdef extern from "expected.h" nogil:
    ctypedef struct Expected:
        int place, kind
        int64_t ticks, start, grain
        const uint8_t *missing
        size_t missing_size
    int expected_add(const Expected *rule, const Value *values, Buffer *row, Scratch *scratch)


cdef extern from "stored.h" nogil:
    uint16_t stored_16(const uint8_t *at)
    uint32_t stored_32(const uint8_t *at)
    int stored_add(int kind, const uint8_t *data, size_t size, Buffer *row, Scratch *scratch)
    void canonical_null(Buffer *row)


ctypedef int (*GetData)(void *connection, char **data, int asynchronous) noexcept nogil
ctypedef void (*Release)(void *data) noexcept nogil


class SumError(Exception):
    """The rows cannot be read like this; why, in a sentence."""


cdef int _compare(const void *one, const void *other) noexcept nogil:
    cdef int64_t first = (<const int64_t *>one)[0], second = (<const int64_t *>other)[0]
    return (first > second) - (first < second)


cdef class _Sum:
    """Rows added up; see the stub."""

    cdef readonly int64_t rows
    cdef uint64_t _low, _high
    cdef Buffer _row
    cdef Scratch _scratch

    def __dealloc__(self):
        buffer_free(&self._row)
        buffer_free(&self._scratch.members)
        buffer_free(&self._scratch.spare)

    @property
    def total(self):
        return (<object>self._high << 64) | self._low

    cdef void _count(self) noexcept nogil:
        """Add the row that is in the buffer."""
        cdef XXH128_hash_t one = XXH3_128bits(self._row.data, self._row.size)
        self._low += one.low64
        self._high += one.high64 + (self._low < one.low64)
        self.rows += 1

    cdef _check(self):
        if self._row.failed or self._scratch.members.failed or self._scratch.spare.failed:
            raise MemoryError


cdef class ExpectedRows(_Sum):
    """What a snapshot demands; see the stub."""

    cdef Snapshot _source
    cdef sqlite3_stmt *_statement
    cdef int _columns, _rule_count
    cdef Expected *_rules
    cdef Value *_values
    cdef uint8_t *_used
    cdef object _missing, _set_aside
    cdef const int64_t *_waiting
    cdef size_t _waiting_count
    cdef bint _located, _walked
    cdef int64_t _position, _left
    cdef Buffer _odd

    def __cinit__(self, Snapshot source not None, str query, rules, bytes waiting=b"", *, bint located=True, int walked=-1):
        cdef bytes sql = query.encode(), missing
        cdef int number
        self._located, self._set_aside = located, waiting
        self._waiting, self._waiting_count = <const int64_t *><const uint8_t *>waiting, len(waiting) // 8
        self._source = source
        if sqlite3_prepare_v2(source.handle(), sql, -1, &self._statement, NULL) != SQLITE_OK:
            raise self._failed()
        self._walked, self._rule_count = walked >= 0, len(rules)
        self._columns = walked if self._walked else sqlite3_column_count(self._statement) - 1
        self._rules = <Expected *>calloc(self._rule_count + 1, sizeof(Expected))
        self._values = <Value *>calloc(self._columns + 1, sizeof(Value))
        self._used = <uint8_t *>calloc(self._columns + 1, 1)
        if not self._rules or not self._values or not self._used:
            raise MemoryError
        self._missing = [rule.missing for rule in rules]
        for number, rule in enumerate(rules):
            if not -1 <= rule.place < self._columns:
                raise ValueError(f"There is no column {rule.place}.")
            if rule.place >= 0:
                self._used[<int>rule.place] = 1
            missing = self._missing[number]
            self._rules[number].place, self._rules[number].kind = rule.place, rule.kind
            self._rules[number].ticks, self._rules[number].start = rule.ticks, rule.start
            self._rules[number].grain = rule.grain
            self._rules[number].missing, self._rules[number].missing_size = <const uint8_t *>missing, len(missing)

    def __dealloc__(self):
        self.close()
        free(self._rules)
        free(self._values)
        free(self._used)
        buffer_free(&self._odd)

    def close(self):
        sqlite3_finalize(self._statement)
        self._statement = NULL

    cdef _failed(self):
        return SumError(self._source.failure())

    @property
    def odd(self):
        return (<const char *>self._odd.data)[: self._odd.size] if self._odd.size else b""

    def read(self, int64_t rows):
        cdef int result
        if not self._statement:
            raise ValueError("The rows are closed.")
        with nogil:
            result = self._fetch(rows)
        self._check()
        if self._odd.failed:
            raise MemoryError
        if result != SQLITE_ROW and result != SQLITE_DONE:
            raise self._failed()
        return result == SQLITE_ROW

    cdef int _fetch(self, int64_t rows) noexcept nogil:
        cdef int result = SQLITE_ROW
        self._left = rows
        if self._walked:
            return self._source.walk(self._statement, _take, <void *>self)
        while self._left:
            result = sqlite3_step(self._statement)
            if result != SQLITE_ROW:
                break
            self._step()
        return result

    cdef void _step(self) noexcept nogil:
        """Take in the row that the query is at."""
        cdef int number
        for number in range(self._columns):
            if self._used[number]:
                value_read(self._statement, number + 1, &self._values[number])
        self._add(sqlite3_column_int64(self._statement, 0))

    cdef void _add(self, int64_t locator) noexcept nogil:
        """Take in the row whose values have been read."""
        self._left -= 1
        self._position += 1
        if not self._located:
            locator = self._position
        if self._is_waiting(locator) or not self._encode():
            buffer_add(&self._odd, &locator, sizeof(locator))
        else:
            self._count()

    cdef bint _is_waiting(self, int64_t locator) noexcept nogil:
        if not self._waiting_count:
            return False
        return bsearch(&locator, self._waiting, self._waiting_count, sizeof(locator), _compare) != NULL

    cdef bint _encode(self) noexcept nogil:
        """Put a row into the buffer; return whether all of it was decided."""
        cdef int number
        self._row.size = 0
        for number in range(self._rule_count):
            if not expected_add(&self._rules[number], self._values, &self._row, &self._scratch):
                return False
        return True


cdef bint _take(void *rows, int size, sqlite3_value **arguments) noexcept nogil:
    """Take in a row whose values come as arguments; return whether these were as many rows as wanted."""
    cdef int number
    for number in range(min(size - 1, (<ExpectedRows>rows)._columns)):
        if (<ExpectedRows>rows)._used[number]:
            value_of(arguments[number + 1], &(<ExpectedRows>rows)._values[number])
    (<ExpectedRows>rows)._add(sqlite3_value_int64(arguments[0]))
    return not (<ExpectedRows>rows)._left


cdef class StoredRows(_Sum):
    """What PostgreSQL holds; see the stub."""

    cdef void *_connection
    cdef GetData _get
    cdef Release _release
    cdef int _kind_count
    cdef int *_kinds
    cdef bint _started, _ended, _over
    cdef list _odd

    def __cinit__(self, wire, kinds):
        cdef size_t connection = wire.connection, get = wire.get_copy_data, release = wire.release
        cdef int number
        self._connection, self._get, self._release = <void *>connection, <GetData>get, <Release>release
        self._kind_count, self._odd = len(kinds), []
        self._kinds = <int *>calloc(self._kind_count + 1, sizeof(int))
        if not self._kinds:
            raise MemoryError
        for number, kind in enumerate(kinds):
            self._kinds[number] = kind

    def __dealloc__(self):
        free(self._kinds)

    def take_odd(self):
        odd, self._odd = self._odd, []
        return odd

    def read(self, int64_t rows):
        cdef char *data = NULL
        cdef int size = 0
        cdef int64_t number
        cdef bint sound = True
        with nogil:
            for number in range(rows):
                size = self._get(self._connection, &data, 0)
                if size < 0:
                    self._over = True
                    break
                sound = self._take(<const uint8_t *>data, size)
                self._release(data)
                if not sound:
                    break
        self._check()
        if not sound:
            raise SumError("The server's rows are not as they were asked for.")
        if size == -1 and not self._ended:
            raise SumError("The server's rows were cut short.")
        return size >= 0

    def skip(self):
        cdef char *data = NULL
        with nogil:
            while not self._over:
                self._over = self._get(self._connection, &data, 0) < 0
                if not self._over:
                    self._release(data)

    cdef bint _take(self, const uint8_t *data, size_t size) noexcept nogil:
        """Take in one message: a row, the header with or without one, or the end; return whether it is that."""
        cdef size_t at = 0, start
        cdef int fields, decided
        if not self._started:
            if size < 19 or memcmp(data, b"PGCOPY\n\xff\r\n\x00", 11) != 0:
                return False
            at = 19 + stored_32(data + 15)
            self._started = True
        while at < size:
            if self._ended or size - at < 2:
                return False
            start = at
            fields = stored_16(data + at)
            at += 2
            if fields == 0xFFFF:
                self._ended = True
                return at == size
            if fields != self._kind_count:
                return False
            decided = self._decode(data, size, &at)
            if decided < 0:
                return False
            if decided:
                self._count()
            else:
                with gil:
                    self._odd.append((<const char *>data)[start:at])
        return at == size

    cdef int _decode(self, const uint8_t *data, size_t size, size_t *at) noexcept nogil:
        """Put a row into the buffer; return whether all of it was decided, -1 where it is none."""
        cdef int number, decided = True
        cdef uint32_t length
        self._row.size = 0
        for number in range(self._kind_count):
            if size - at[0] < 4:
                return -1
            length = stored_32(data + at[0])
            at[0] += 4
            if length == UINT32_MAX:
                canonical_null(&self._row)
                continue
            if size - at[0] < length:
                return -1
            if decided:
                decided = stored_add(self._kinds[number], data + at[0], length, &self._row, &self._scratch)
            at[0] += length
        return decided
