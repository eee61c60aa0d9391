"""Reads rows of a SQLite file, digests them, and writes those that are simple as a binary COPY stream."""

from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from howdah.native.snapshot cimport Snapshot
from howdah.native.source cimport Value
from howdah.native.sqlite cimport (
    SQLITE_DONE, SQLITE_OK, SQLITE_ROW, sqlite3_column_count, sqlite3_column_int64, sqlite3_finalize,
    sqlite3_prepare_v2, sqlite3_step, sqlite3_stmt, sqlite3_value, sqlite3_value_int64,
)
from howdah.native.tree cimport TREE_END, TREE_ROW, TREE_UNKNOWN, StoredRows

from howdah.native.tree import UnknownError


cdef extern from "buffer.h" nogil:
    ctypedef struct Buffer:
        uint8_t *data
        size_t size
        int failed
    void buffer_add(Buffer *buffer, const void *data, size_t size)
    void buffer_add16(Buffer *buffer, uint16_t value)
    void buffer_add32(Buffer *buffer, uint32_t value)
    void buffer_add64(Buffer *buffer, uint64_t value)
    void buffer_free(Buffer *buffer)


cdef extern from "source.h" nogil:
    int SQLITE_TEXT, SQLITE_BLOB
    void value_of(sqlite3_value *argument, Value *value)
    void value_read(sqlite3_stmt *statement, int column, Value *value)
    void value_digest(const Value *value, Buffer *buffer)
    uint64_t row_digest(const Buffer *row)


cdef extern from "field.h" nogil:
    ctypedef struct Field:
        int place, kind, width, padded, blobs, precision, scale, zoned, required
        int64_t limit, grain, factor, stand_in_size
        double first, last
        const uint8_t *stand_in
    int field_add(const Field *field, const Value *values, Buffer *stream)


cdef extern from "image.h" nogil:
    int row_sent(const uint8_t *row, const uint32_t *oids, int count, Buffer *sent)
    int IMAGE_SIZE
    uint64_t lookup3(const Buffer *row)
    void lookup3_both(const Buffer *one, const Buffer *other, uint64_t *images)
    int row_checked(const uint8_t *row, size_t size, const uint32_t *oids, int count)


# What else may come of fetching rows than what SQLite has numbers for.
cdef int _UNKNOWN = -1


class ReadError(Exception):
    """SQLite cannot read the rows; its own sentence."""


cdef class Bytes:
    """Bytes that are not copied again: memoryviews of them are handed out."""

    cdef Buffer _buffer

    def __dealloc__(self):
        buffer_free(&self._buffer)

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, <void *>(self._buffer.data or <uint8_t *>b""), self._buffer.size, True, flags)


cdef class Batch:
    """Consecutive rows; see the stub for what it holds."""

    cdef Bytes _locators, _digests, _settled, _stream, _keys, _key_sizes
    cdef readonly int64_t rows
    cdef readonly bint imaged

    def __cinit__(self):
        self._locators, self._digests, self._settled = Bytes(), Bytes(), Bytes()
        self._stream, self._keys, self._key_sizes = Bytes(), Bytes(), Bytes()
        self.imaged = True

    def __len__(self):
        return self.rows

    @property
    def locators(self):
        return memoryview(self._locators)

    @property
    def digests(self):
        return memoryview(self._digests)

    @property
    def settled(self):
        return memoryview(self._settled)

    @property
    def stream(self):
        return memoryview(self._stream)

    @property
    def keys(self):
        return memoryview(self._keys)

    @property
    def key_sizes(self):
        return memoryview(self._key_sizes)


cdef struct Page:
    # A batch that is being filled: most rows, those it has, bytes that it may still take.
    int64_t most, rows
    size_t size_left
    int chunk
    bint over


cdef class Rows:
    """The rows of a query, or those in a table's pages; see the stub."""

    cdef Snapshot _source
    cdef StoredRows _stored
    cdef sqlite3_stmt *_statement
    cdef int _columns, _field_count, _key_count
    cdef Field *_fields
    cdef Value *_values
    cdef int *_keys
    cdef size_t *_ends
    cdef uint32_t *_oids
    cdef Buffer _row
    cdef Buffer _sent[2]
    cdef int _waiting
    cdef object _stand_ins
    cdef bint _located, _encoded, _staged, _imaged, _walked, _over
    cdef int64_t _position
    cdef Batch _batch
    cdef Page _page

    def __cinit__(self, source not None, str query="", fields=None, key=(), *, bint located=True, bint staged=False, oids=None, int walked=-1):
        cdef int number
        self._located, self._encoded, self._staged = located, fields is not None, staged
        fields = fields or ()
        if isinstance(source, StoredRows):
            self._stored = source
            self._columns = self._stored.columns
        else:
            self._prepare(source, query, walked)
        self._field_count, self._key_count = len(fields), len(key)
        self._fields = <Field *>calloc(self._field_count + 1, sizeof(Field))
        self._values = <Value *>calloc(self._columns + 1, sizeof(Value))
        self._keys = <int *>calloc(self._key_count + 1, sizeof(int))
        self._ends = <size_t *>calloc(self._field_count + 1, sizeof(size_t))
        self._oids = <uint32_t *>calloc(self._field_count + 1, sizeof(uint32_t))
        if not self._fields or not self._values or not self._keys or not self._ends or not self._oids:
            raise MemoryError
        if oids is not None:
            self._imaged = True
            for number, oid in zip(range(self._field_count), oids, strict=True):
                self._oids[number] = oid
        self._stand_ins = [field.stand_in for field in fields]
        for number, field in enumerate(fields):
            self._fill(&self._fields[number], field, self._stand_ins[number])
        for number, place in enumerate(key):
            if not 0 <= place < self._field_count:
                raise ValueError(f"There is no field {place}.")
            self._keys[number] = place

    cdef _prepare(self, Snapshot source, str query, int walked):
        cdef bytes sql = query.encode()
        self._source = source
        if sqlite3_prepare_v2(source.handle(), sql, -1, &self._statement, NULL) != SQLITE_OK:
            raise self._failed()
        self._walked = walked >= 0
        self._columns = walked if self._walked else sqlite3_column_count(self._statement) - 1

    cdef _fill(self, Field *made, field, bytes stand_in):
        if not -1 <= field.place < self._columns:
            raise ValueError(f"There is no column {field.place}.")
        made.place, made.kind, made.width = field.place, field.kind, field.width
        made.limit, made.padded, made.blobs = field.limit, field.padded, field.blobs
        made.precision, made.scale, made.grain = field.precision, field.scale, field.grain
        made.zoned, made.factor, made.required = field.zoned, field.factor, field.required
        made.first, made.last = field.first, field.last
        made.stand_in_size = -1
        if stand_in is not None:
            made.stand_in, made.stand_in_size = <const uint8_t *>stand_in, len(stand_in)

    def __dealloc__(self):
        self.close()
        free(self._fields)
        free(self._values)
        free(self._keys)
        free(self._ends)
        free(self._oids)
        buffer_free(&self._row)
        buffer_free(&self._sent[0])
        buffer_free(&self._sent[1])

    def close(self):
        sqlite3_finalize(self._statement)
        self._statement, self._stored = NULL, None

    cdef _failed(self):
        return ReadError(self._source.failure())

    def read(self, int64_t rows, size_t size, int chunk=0):
        cdef Batch batch = Batch()
        cdef int result = SQLITE_DONE
        if not self._statement and self._stored is None:
            raise ValueError("The rows are closed.")
        if self._over:
            return None
        self._batch = batch
        with nogil:
            result = self._fetch(rows, size, chunk)
            self._images(batch)
        self._batch = None
        batch.rows = self._page.rows
        if result == _UNKNOWN:
            raise UnknownError
        if result != SQLITE_ROW and result != SQLITE_DONE:
            raise self._failed()
        if (
            batch._locators._buffer.failed or batch._digests._buffer.failed or batch._settled._buffer.failed
            or batch._stream._buffer.failed or batch._keys._buffer.failed or batch._key_sizes._buffer.failed
            or self._row.failed or self._sent[0].failed or self._sent[1].failed
        ):
            raise MemoryError
        self._over = result == SQLITE_DONE
        return batch if batch.rows else None

    cdef int _fetch(self, int64_t rows, size_t size, int chunk) noexcept nogil:
        cdef int result = SQLITE_ROW
        self._page = Page(rows, 0, size, chunk, False)
        if self._stored is not None:
            result = self._fetch_stored()
        elif self._walked:
            result = self._source.walk(self._statement, _take, <void *>self)
        else:
            while not self._page.over:
                result = sqlite3_step(self._statement)
                if result != SQLITE_ROW:
                    break
                self._step()
        return result

    cdef int _fetch_stored(self) noexcept nogil:
        cdef int64_t rowid = 0
        cdef int result = TREE_ROW
        while not self._page.over:
            result = self._stored.next(&rowid)
            if result != TREE_ROW:
                break
            self._add(rowid, self._stored.values)
        return SQLITE_ROW if result == TREE_ROW else SQLITE_DONE if result == TREE_END else _UNKNOWN

    cdef void _step(self) noexcept nogil:
        """Take in the row that the query is at."""
        cdef int column
        for column in range(self._columns):
            value_read(self._statement, column + 1, &self._values[column])
        self._add(sqlite3_column_int64(self._statement, 0), self._values)

    cdef void _add(self, int64_t locator, const Value *values) noexcept nogil:
        """Take in the row whose values have been read."""
        cdef int column
        cdef uint64_t digest
        cdef size_t size = 8 * <size_t>self._columns
        cdef uint8_t settled
        self._position += 1
        if not self._located:
            locator = self._position
        self._row.size = 0
        for column in range(self._columns):
            value_digest(&values[column], &self._row)
            if values[column].type == SQLITE_TEXT or values[column].type == SQLITE_BLOB:
                size += values[column].size
        digest = row_digest(&self._row)
        buffer_add(&self._batch._locators._buffer, &locator, sizeof(locator))
        buffer_add(&self._batch._digests._buffer, &digest, sizeof(digest))
        if self._encoded:
            settled = self._encode(self._batch, locator, values)
            buffer_add(&self._batch._settled._buffer, &settled, sizeof(settled))
        self._page.rows += 1
        self._page.over = self._page.rows == self._page.most or self._page.size_left <= size
        self._page.size_left -= size

    cdef bint _encode(self, Batch batch, int64_t locator, const Value *values) noexcept nogil:
        """Add a row to the stream, and its key to the keys; return whether it is settled, and there."""
        cdef Buffer *stream = &batch._stream._buffer
        cdef Buffer *keys = &batch._keys._buffer
        cdef size_t start = stream.size, key_start = keys.size, begin
        cdef int number
        cdef int32_t key_size = 0
        buffer_add16(stream, <uint16_t>(self._field_count + (2 if self._staged else 0)))
        if self._staged:
            buffer_add32(stream, 8)
            buffer_add64(stream, <uint64_t>locator)
            buffer_add32(stream, 4)
            buffer_add32(stream, <uint32_t>self._page.chunk)
        begin = stream.size
        for number in range(self._field_count):
            if not field_add(&self._fields[number], values, stream):
                stream.size = start
                return False
            self._ends[number] = stream.size
        if self._imaged:
            self._image(batch, stream.data + start)
            key_size = IMAGE_SIZE
        elif self._key_count:
            buffer_add16(keys, <uint16_t>self._key_count)
            for number in range(self._key_count):
                start = self._ends[self._keys[number] - 1] if self._keys[number] else begin
                buffer_add(keys, stream.data + start, self._ends[self._keys[number]] - start)
            key_size = <int32_t>(keys.size - key_start)
        buffer_add(&batch._key_sizes._buffer, &key_size, sizeof(key_size))
        return True

    cdef void _image(self, Batch batch, const uint8_t *row) noexcept nogil:
        """Add a row's image to the keys, as a row of a COPY stream with one int8; two are made together."""
        if batch._stream._buffer.failed or not row_sent(row, self._oids, self._field_count, &self._sent[self._waiting]):
            batch.imaged = False
            self._sent[self._waiting].size = 0
        self._waiting += 1
        if self._waiting == 2:
            self._images(batch)

    cdef void _images(self, Batch batch) noexcept nogil:
        """Add the images of rows that wait for it."""
        cdef uint64_t images[2]
        cdef int number
        if self._waiting == 2:
            lookup3_both(&self._sent[0], &self._sent[1], images)
        elif self._waiting:
            images[0] = lookup3(&self._sent[0])
        for number in range(self._waiting):
            buffer_add16(&batch._keys._buffer, 1)
            buffer_add32(&batch._keys._buffer, 8)
            buffer_add64(&batch._keys._buffer, images[number])
        self._waiting = 0


cdef bint _take(void *rows, int size, sqlite3_value **arguments) noexcept nogil:
    """Take in a row whose values come as arguments; return whether the batch is full."""
    cdef int column
    for column in range(min(size - 1, (<Rows>rows)._columns)):
        value_of(arguments[column + 1], &(<Rows>rows)._values[column])
    (<Rows>rows)._add(sqlite3_value_int64(arguments[0]), (<Rows>rows)._values)
    return (<Rows>rows)._page.over


def image(const uint8_t[:] row, oids):
    cdef uint32_t made[1600]
    cdef Buffer scratch
    cdef bint known
    if len(oids) > 1600:
        return None
    for number, oid in enumerate(oids):
        made[number] = oid
    memset(&scratch, 0, sizeof(scratch))
    known = row_checked(&row[0], len(row), made, len(oids)) and row_sent(&row[0], made, len(oids), &scratch)
    found = lookup3(&scratch) if known else None
    buffer_free(&scratch)
    return found
