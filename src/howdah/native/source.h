/* One value of a source as SQLite holds it, and digests of rows of them. Casts nothing. */
#ifndef HOWDAH_SOURCE_H
#define HOWDAH_SOURCE_H

#include <sqlite3.h>
#include <stdint.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "buffer.h"

typedef struct {
    int type; /* SQLITE_INTEGER… */
    int64_t integer;
    double real;
    const uint8_t *bytes;
    size_t size;
} Value;

/* Longer values are in a row's digest with a digest of their own. */
#define LONG_VALUE 1024

static inline void value_read(sqlite3_stmt *statement, int column, Value *value)
{
    value->type = sqlite3_column_type(statement, column);
    switch (value->type) {
    case SQLITE_INTEGER:
        value->integer = sqlite3_column_int64(statement, column);
        break;
    case SQLITE_FLOAT:
        value->real = sqlite3_column_double(statement, column);
        break;
    case SQLITE_TEXT:
        value->bytes = sqlite3_column_text(statement, column);
        value->size = (size_t)sqlite3_column_bytes(statement, column);
        break;
    case SQLITE_BLOB:
        value->bytes = sqlite3_column_blob(statement, column);
        value->size = (size_t)sqlite3_column_bytes(statement, column);
        break;
    }
}

/* The same of a function's argument. */
static inline void value_of(sqlite3_value *argument, Value *value)
{
    value->type = sqlite3_value_type(argument);
    switch (value->type) {
    case SQLITE_INTEGER:
        value->integer = sqlite3_value_int64(argument);
        break;
    case SQLITE_FLOAT:
        value->real = sqlite3_value_double(argument);
        break;
    case SQLITE_TEXT:
        value->bytes = sqlite3_value_text(argument);
        value->size = (size_t)sqlite3_value_bytes(argument);
        break;
    case SQLITE_BLOB:
        value->bytes = sqlite3_value_blob(argument);
        value->size = (size_t)sqlite3_value_bytes(argument);
        break;
    }
}

/* Adds what tells a value from every other: its storage class, then 8 bytes of a number, or size and bytes. */
static inline void value_digest(const Value *value, Buffer *buffer)
{
    if (!buffer_reserve(buffer, 17 + (value->type >= SQLITE_TEXT && value->type <= SQLITE_BLOB ? LONG_VALUE : 0)))
        return;
    uint8_t *at = buffer->data + buffer->size;
    uint64_t plain = 0;
    *at++ = (uint8_t)value->type;
    switch (value->type) {
    case SQLITE_INTEGER:
        memcpy(at, &value->integer, 8);
        at += 8;
        break;
    case SQLITE_FLOAT:
        memcpy(at, &value->real, 8);
        at += 8;
        break;
    case SQLITE_TEXT:
    case SQLITE_BLOB:
        plain = value->size;
        memcpy(at, &plain, 8);
        at += 8;
        if (value->size > LONG_VALUE) {
            plain = XXH3_64bits(value->bytes, value->size);
            memcpy(at, &plain, 8);
            at += 8;
        } else if (value->size) {
            memcpy(at, value->bytes, value->size);
            at += value->size;
        }
        break;
    }
    buffer->size = (size_t)(at - buffer->data);
}

static inline uint64_t row_digest(const Buffer *row)
{
    return XXH3_64bits(row->data, row->size);
}

#endif
