/* What a value becomes in a row of a binary COPY stream. */
#ifndef HOWDAH_FIELD_H
#define HOWDAH_FIELD_H

#include <math.h>
#include <sqlite3.h>
#include <stdint.h>
#include <string.h>

#include "buffer.h"
#include "document.h"
#include "moment.h"
#include "number.h"
#include "source.h"
#include "text.h"

/* How a field is made; the numbers are those of howdah.vector.fields. */
enum {
    FIELD_UNDECIDED,
    FIELD_TEXT,
    FIELD_INTEGER,
    FIELD_BOOLEAN,
    FIELD_FLOAT,
    FIELD_NUMERIC,
    FIELD_UUID,
    FIELD_KEPT,
    FIELD_JSON,
    FIELD_JSONB,
    FIELD_BYTEA,
    FIELD_TIMESTAMP,
    FIELD_DATE,
    FIELD_TIME,
};

typedef struct {
    int place;          /* of the source's column, from 0; -1: there is none */
    int kind;
    int width;          /* bytes of an integer or a float */
    int64_t limit;      /* characters of a text, or -1 */
    int padded;         /* char(n) */
    int blobs;          /* a UUID may be 16 bytes */
    int precision;      /* of a numeric, or -1 */
    int scale;
    int64_t grain;      /* microseconds that a moment is whole multiples of */
    int zoned;          /* a moment may name its zone */
    int64_t factor;     /* microseconds per unit of a number that is a moment, or 0 */
    double first, last; /* numbers from first to below last are such moments */
    int required;
    const uint8_t *stand_in; /* stands where there is none */
    int64_t stand_in_size;   /* -1: nothing does */
} Field;

static inline void add_sized(Buffer *stream, const void *bytes, size_t size)
{
    buffer_add32(stream, (uint32_t)size);
    buffer_add(stream, bytes, size);
}

static inline int field_text(const Field *field, const Value *value, Buffer *stream)
{
    if (value->type != SQLITE_TEXT)
        return 0;
    int64_t characters = text_characters(value->bytes, value->size);
    if (characters < 0 || (field->limit >= 0 && characters > field->limit))
        return 0;
    if (field->padded && value->size && value->bytes[value->size - 1] == ' ')
        return 0;
    add_sized(stream, value->bytes, value->size);
    return 1;
}

static inline int field_integer(const Field *field, const Value *value, Buffer *stream)
{
    int64_t number;
    if (value->type == SQLITE_INTEGER) {
        number = value->integer;
    } else if (value->type == SQLITE_FLOAT) {
        if (!(fabs(value->real) < 9007199254740992.0) || floor(value->real) != value->real)
            return 0;
        if (value->real == 0 && signbit(value->real))
            return 0;
        number = (int64_t)value->real;
    } else if (value->type != SQLITE_TEXT || !text_integer(value->bytes, value->size, &number)) {
        return 0;
    }
    if (field->width < 8) {
        int64_t bound = INT64_C(1) << (8 * field->width - 1);
        if (number < -bound || number >= bound)
            return 0;
    }
    buffer_add32(stream, (uint32_t)field->width);
    uint64_t big = __builtin_bswap64((uint64_t)number);
    buffer_add(stream, (uint8_t *)&big + 8 - field->width, (size_t)field->width);
    return 1;
}

static inline int field_boolean(const Value *value, Buffer *stream)
{
    int truth = -1;
    if (value->type == SQLITE_INTEGER && (value->integer == 0 || value->integer == 1))
        truth = (int)value->integer;
    else if (value->type == SQLITE_FLOAT && (value->real == 0 || value->real == 1))
        truth = value->real == 1;
    else if (value->type == SQLITE_TEXT)
        truth = text_truth(value->bytes, value->size);
    if (truth < 0)
        return 0;
    uint8_t byte = (uint8_t)truth;
    add_sized(stream, &byte, 1);
    return 1;
}

static inline int field_float(const Field *field, const Value *value, Buffer *stream)
{
    double number;
    if (value->type == SQLITE_FLOAT)
        number = value->real;
    else if (value->type == SQLITE_INTEGER && llabs(value->integer) <= INT64_C(9007199254740992))
        number = (double)value->integer;
    else
        return 0;
    buffer_add32(stream, (uint32_t)field->width);
    if (field->width == 8) {
        uint64_t bits;
        memcpy(&bits, &number, 8);
        buffer_add64(stream, bits);
        return 1;
    }
    float narrow = (float)number;
    if ((double)narrow != number)
        return 0;
    uint32_t bits;
    memcpy(&bits, &narrow, 4);
    buffer_add32(stream, bits);
    return 1;
}

static inline int field_numeric(const Field *field, const Value *value, Buffer *stream)
{
    Decimal decimal;
    int known = value->type == SQLITE_INTEGER ? decimal_from_integer(value->integer, &decimal)
                : value->type == SQLITE_FLOAT ? decimal_from_real(value->real, &decimal)
                : value->type == SQLITE_TEXT  ? decimal_from_text(value->bytes, value->size, &decimal)
                                              : 0;
    if (!known || (field->precision >= 0 && !decimal_fits(&decimal, field->precision, field->scale)))
        return 0;
    decimal_add(stream, &decimal);
    return 1;
}

static inline int field_uuid(const Field *field, const Value *value, Buffer *stream)
{
    uint8_t uuid[16];
    if (field->blobs && value->type == SQLITE_BLOB && value->size == 16)
        memcpy(uuid, value->bytes, 16);
    else if (value->type != SQLITE_TEXT || !text_uuid(value->bytes, value->size, uuid))
        return 0;
    add_sized(stream, uuid, 16);
    return 1;
}

static inline int field_document(const Field *field, const Value *value, Buffer *stream)
{
    int binary = field->kind == FIELD_JSONB;
    if (value->type != SQLITE_TEXT || text_characters(value->bytes, value->size) < 0)
        return 0;
    if (!document_sound(value->bytes, value->size, binary))
        return 0;
    buffer_add32(stream, (uint32_t)(value->size + (size_t)binary));
    if (binary)
        buffer_add(stream, "\1", 1); /* the version of jsonb's binary form */
    buffer_add(stream, value->bytes, value->size);
    return 1;
}

static inline int field_moment(const Field *field, const Value *value, Buffer *stream)
{
    int64_t micros, local;
    if (value->type == SQLITE_TEXT) {
        int found = moment_text(value->bytes, value->size, &micros, &local);
        if (!found || (found == 2 && !field->zoned))
            return 0;
    } else {
        double number = value->type == SQLITE_INTEGER ? (double)value->integer : value->real;
        if (value->type == SQLITE_BLOB || !field->factor || !(number >= field->first && number < field->last))
            return 0;
        if (value->type == SQLITE_INTEGER ? !moment_integer(value->integer, field->factor, &micros)
                                          : !moment_real(value->real, field->factor, &micros))
            return 0;
        local = micros;
    }
    if (field->kind == FIELD_DATE) {
        if (micros % DAY)
            return 0;
        buffer_add32(stream, 4);
        buffer_add32(stream, (uint32_t)(int32_t)(micros / DAY));
        return 1;
    }
    if (local % field->grain)
        return 0;
    buffer_add32(stream, 8);
    buffer_add64(stream, (uint64_t)micros);
    return 1;
}

static inline int field_time(const Field *field, const Value *value, Buffer *stream)
{
    int64_t micros;
    if (value->type != SQLITE_TEXT || !value->size)
        return 0;
    if (moment_clock(value->bytes, value->size, &micros) != value->size || micros % field->grain)
        return 0;
    buffer_add32(stream, 8);
    buffer_add64(stream, (uint64_t)micros);
    return 1;
}

/* Adds a field with its length in front; returns whether that is decided. What was added otherwise means nothing. */
static inline int field_add(const Field *field, const Value *values, Buffer *stream)
{
    const Value *value = field->place < 0 ? NULL : values + field->place;
    if (!value || value->type == SQLITE_NULL) {
        if (field->stand_in_size >= 0) {
            add_sized(stream, field->stand_in, (size_t)field->stand_in_size);
            return 1;
        }
        buffer_add32(stream, UINT32_MAX);
        return !field->required;
    }
    switch (field->kind) {
    case FIELD_TEXT:
        return field_text(field, value, stream);
    case FIELD_INTEGER:
        return field_integer(field, value, stream);
    case FIELD_BOOLEAN:
        return field_boolean(value, stream);
    case FIELD_FLOAT:
        return field_float(field, value, stream);
    case FIELD_NUMERIC:
        return field_numeric(field, value, stream);
    case FIELD_UUID:
        return field_uuid(field, value, stream);
    case FIELD_KEPT: {
        /* The original of an identifier that was mapped; a UUID was not. */
        uint8_t uuid[16];
        if (value->type != SQLITE_TEXT || !text_uuid(value->bytes, value->size, uuid) || field->required)
            return 0;
        buffer_add32(stream, UINT32_MAX);
        return 1;
    }
    case FIELD_JSON:
    case FIELD_JSONB:
        return field_document(field, value, stream);
    case FIELD_BYTEA:
        if (value->type != SQLITE_BLOB)
            return 0;
        add_sized(stream, value->bytes, value->size);
        return 1;
    case FIELD_TIMESTAMP:
    case FIELD_DATE:
        return field_moment(field, value, stream);
    case FIELD_TIME:
        return field_time(field, value, stream);
    }
    return 0;
}

#endif
