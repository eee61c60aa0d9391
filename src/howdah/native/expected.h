/* What a source value must be in PostgreSQL, in the canonical encoding: the rules of howdah.verify.expect once more.
 *
 * Part of the verifier, so nothing of the loader's casts is in here. What is not decided is left to those rules. */
#ifndef HOWDAH_EXPECTED_H
#define HOWDAH_EXPECTED_H

#include <float.h>
#include <math.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "buffer.h"
#include "calendar.h"
#include "canonical.h"
#include "meaning.h"
#include "source.h"

/* The numbers are those of howdah.verify.rules. */
enum {
    EXPECTED_TEXT,
    EXPECTED_PADDED,
    EXPECTED_JSON,
    EXPECTED_INTEGER,
    EXPECTED_BOOLEAN,
    EXPECTED_DOUBLE,
    EXPECTED_SINGLE,
    EXPECTED_NUMERIC,
    EXPECTED_UUID,
    EXPECTED_UUID_BYTES,
    EXPECTED_KEPT,
    EXPECTED_BYTEA,
    EXPECTED_ZONED,
    EXPECTED_LOCAL,
    EXPECTED_DATE,
    EXPECTED_TIME,
    EXPECTED_JSONB,
};

typedef struct {
    int place; /* of the source's column, from 0; -1: there is none */
    int kind;
    int64_t ticks; /* per second, of numbers that are moments; 0: they are none */
    int64_t start; /* of those numbers, in microseconds since 2000-01-01 */
    int64_t grain; /* microseconds that a moment is cut to; 0: it is not cut */
    const uint8_t *missing; /* what stands for NULL, in the canonical encoding */
    size_t missing_size;
} Expected;

static inline int expected_instant(const Expected *rule, const uint8_t *text, size_t size, int64_t *micros)
{
    int64_t days, clock = 0, ahead = 0;
    if (size < 10 || !expected_day(text, &days))
        return 0;
    if (size > 10) {
        if (text[10] != ' ' && text[10] != 'T' && text[10] != 't')
            return 0;
        text += 11;
        size = expected_zone(text, size - 11, &ahead);
        if (size && text[size - 1] == ' ')
            size--;
        if (!expected_clock(text, size, rule->grain != 0, &clock))
            return 0;
    }
    *micros = days * MICROS_PER_DAY + clock - ahead;
    return 1;
}

/* Finds the shortest decimal that reads back as a double. */
static inline int expected_shortest(double value, ExactNumber *number)
{
    char text[40];
    int exponent;
    /* Near zero doubles have fewer digits. */
    if (!isfinite(value) || (value != 0 && fabs(value) < DBL_MIN))
        return 0;
    for (int digits = 15; digits <= 17; digits++) {
        /* Beside a power of two, the nearest decimal of 16 digits need not be the one that reads back. */
        if (digits == 16 && fabs(frexp(value, &exponent)) == 0.5)
            return 0;
        int size = snprintf(text, sizeof text, "%.*e", digits - 1, value);
        if (size > 0 && size < (int)sizeof text && strtod(text, NULL) == value)
            return exact_read((const uint8_t *)text, (size_t)size, number);
    }
    return 0;
}

/* Reads digits * 10^exponent ticks of a clock as microseconds since 2000-01-01. */
static inline int expected_ticks(const Expected *rule, __int128 value, int64_t exponent, int64_t *micros)
{
    __int128 divisor = rule->ticks;
    if (!rule->ticks || exponent < -18)
        return 0;
    value *= 1000000;
    for (; exponent > 0; exponent--)
        value *= 10;
    for (; exponent < 0; exponent++)
        divisor *= 10;
    __int128 whole = value / divisor, rest = value % divisor;
    if (rest && !rule->grain)
        return 0;
    whole += rule->start - (rest < 0);
    if (whole >= INT64_C(1) << 62 || whole <= -(INT64_C(1) << 62))
        return 0;
    *micros = (int64_t)whole;
    return 1;
}

static inline int expected_moment(const Expected *rule, const Value *value, Buffer *row)
{
    int64_t micros;
    ExactNumber number;
    if (value->type == SQLITE_TEXT) {
        if (!expected_instant(rule, value->bytes, value->size, &micros))
            return 0;
    } else if (value->type == SQLITE_INTEGER) {
        if (!expected_ticks(rule, value->integer, 0, &micros))
            return 0;
    } else {
        if (value->type != SQLITE_FLOAT || !rule->ticks || !expected_shortest(value->real, &number))
            return 0;
        __int128 digits = 0;
        for (; number.count && number.digits[number.count - 1] == '0'; number.count--)
            number.exponent++;
        /* What is larger is no moment, and would not fit in below. */
        if (number.count + number.exponent > 22)
            return 0;
        for (int at = 0; at < number.count; at++)
            digits = digits * 10 + (number.digits[at] - '0');
        if (!expected_ticks(rule, number.negative ? -digits : digits, number.exponent, &micros))
            return 0;
    }
    if (rule->grain) {
        int64_t over = micros % rule->grain;
        micros -= over < 0 ? over + rule->grain : over;
    }
    if (rule->kind != EXPECTED_DATE)
        canonical_64(row, rule->kind == EXPECTED_ZONED ? 'z' : 's', (uint64_t)micros);
    else if (micros % MICROS_PER_DAY)
        return 0;
    else
        canonical_32(row, 'D', (uint32_t)(micros / MICROS_PER_DAY));
    return 1;
}

/* Reads the usual spelling of a UUID. */
static inline int expected_uuid(const uint8_t *text, size_t size, uint8_t uuid[16])
{
    static const int8_t values[256] = {
        ['0'] = 0x10, ['1'] = 0x11, ['2'] = 0x12, ['3'] = 0x13, ['4'] = 0x14, ['5'] = 0x15, ['6'] = 0x16, ['7'] = 0x17,
        ['8'] = 0x18, ['9'] = 0x19, ['a'] = 0x1A, ['b'] = 0x1B, ['c'] = 0x1C, ['d'] = 0x1D, ['e'] = 0x1E, ['f'] = 0x1F,
        ['A'] = 0x1A, ['B'] = 0x1B, ['C'] = 0x1C, ['D'] = 0x1D, ['E'] = 0x1E, ['F'] = 0x1F,
    };
    int known = 0x10;
    if (size != 36)
        return 0;
    for (int byte = 0; byte < 16; byte++) {
        if (byte == 4 || byte == 6 || byte == 8 || byte == 10)
            if (*text++ != '-')
                return 0;
        int high = values[text[0]], low = values[text[1]];
        known &= high & low;
        uuid[byte] = (uint8_t)(high << 4 | (low & 0xF));
        text += 2;
    }
    return known;
}

static inline int expected_boolean(const Value *value, Buffer *row)
{
    static const char *const words[2][6] = {{"0", "f", "n", "no", "off", "false"}, {"1", "t", "y", "on", "yes", "true"}};
    int truth = -1;
    if (value->type == SQLITE_INTEGER) {
        truth = value->integer == 0 || value->integer == 1 ? (int)value->integer : -1;
    } else if (value->type == SQLITE_FLOAT) {
        truth = value->real == 0 ? 0 : value->real == 1 ? 1 : -1;
    } else if (value->type == SQLITE_TEXT && value->size && value->size <= 5) {
        for (int word = 0; word < 12; word++)
            if (strlen(words[word % 2][word / 2]) == value->size &&
                !strncasecmp(words[word % 2][word / 2], (const char *)value->bytes, value->size))
                truth = word % 2;
    }
    canonical_add(row, 'b', truth ? "\1" : "\0", 1);
    return truth >= 0;
}

static inline int expected_float(const Expected *rule, const Value *value, Buffer *row)
{
    double number = value->real;
    if (value->type == SQLITE_INTEGER) {
        if (value->integer > INT64_C(1) << 53 || value->integer < -(INT64_C(1) << 53))
            return 0;
        number = (double)value->integer;
    } else if (value->type != SQLITE_FLOAT) {
        return 0;
    }
    if (rule->kind == EXPECTED_DOUBLE) {
        uint64_t bits;
        memcpy(&bits, &number, 8);
        canonical_64(row, 'd', bits);
        return 1;
    }
    float narrow = (float)number;
    uint32_t bits;
    memcpy(&bits, &narrow, 4);
    canonical_32(row, 'f', bits);
    return isfinite(narrow) || !isfinite(number);
}

static inline int expected_integer(const Value *value, Buffer *row)
{
    if (value->type == SQLITE_INTEGER) {
        canonical_integer(row, value->integer);
        return 1;
    }
    if (value->type != SQLITE_FLOAT || !(fabs(value->real) < 9007199254740992.0) || floor(value->real) != value->real)
        return 0;
    canonical_integer(row, (int64_t)value->real);
    return 1;
}

static inline int expected_numeric(const Value *value, Buffer *row)
{
    ExactNumber number;
    uint8_t digits[20];
    int known = 0;
    if (value->type == SQLITE_INTEGER)
        known = exact_read(digits, canonical_digits(value->integer, digits), &number);
    else if (value->type == SQLITE_FLOAT)
        known = expected_shortest(value->real, &number);
    else if (value->type == SQLITE_TEXT)
        known = exact_read(value->bytes, value->size, &number);
    if (known)
        canonical_number(row, &number);
    return known;
}

static inline int expected_text(const Expected *rule, const Value *value, Buffer *row)
{
    uint8_t digits[20];
    if (value->type == SQLITE_INTEGER) {
        canonical_add(row, 't', digits, canonical_digits(value->integer, digits));
        return 1;
    }
    if (value->type != SQLITE_TEXT)
        return 0;
    /* Text that PostgreSQL cannot hold, as it has a NUL or is no UTF-8, is like nothing that it holds. */
    size_t size = value->size;
    while (rule->kind == EXPECTED_PADDED && size && value->bytes[size - 1] == ' ')
        size--;
    canonical_add(row, 't', value->bytes, size);
    return 1;
}

/* Adds what a value must be; returns whether that was decided. */
static inline int expected_add(const Expected *rule, const Value *values, Buffer *row, Scratch *scratch)
{
    const Value *value = rule->place < 0 ? NULL : values + rule->place;
    uint8_t uuid[16];
    int64_t micros;
    if (!value || value->type == SQLITE_NULL) {
        buffer_add(row, rule->missing, rule->missing_size);
        return 1;
    }
    switch (rule->kind) {
    case EXPECTED_TEXT:
    case EXPECTED_PADDED:
    case EXPECTED_JSON:
        return expected_text(rule, value, row);
    case EXPECTED_INTEGER:
        return expected_integer(value, row);
    case EXPECTED_BOOLEAN:
        return expected_boolean(value, row);
    case EXPECTED_DOUBLE:
    case EXPECTED_SINGLE:
        return expected_float(rule, value, row);
    case EXPECTED_NUMERIC:
        return expected_numeric(value, row);
    case EXPECTED_UUID_BYTES:
        if (value->type == SQLITE_BLOB) {
            canonical_add(row, 'u', value->bytes, value->size);
            return 1;
        }
        /* fall through */
    case EXPECTED_UUID:
        if (value->type != SQLITE_TEXT || !expected_uuid(value->bytes, value->size, uuid))
            return 0;
        canonical_add(row, 'u', uuid, 16);
        return 1;
    case EXPECTED_KEPT:
        /* The original of an identifier that was mapped; a UUID was not. */
        if (value->type != SQLITE_TEXT || !expected_uuid(value->bytes, value->size, uuid))
            return 0;
        canonical_null(row);
        return 1;
    case EXPECTED_BYTEA:
        canonical_add(row, 'x', value->bytes, value->type == SQLITE_BLOB ? value->size : 0);
        return value->type == SQLITE_BLOB;
    case EXPECTED_ZONED:
    case EXPECTED_LOCAL:
    case EXPECTED_DATE:
        return expected_moment(rule, value, row);
    case EXPECTED_TIME:
        if (value->type != SQLITE_TEXT || !expected_clock(value->bytes, value->size, 0, &micros))
            return 0;
        canonical_64(row, 'h', (uint64_t)micros);
        return 1;
    case EXPECTED_JSONB:
        return value->type == SQLITE_TEXT && canonical_document(row, value->bytes, value->size, scratch);
    }
    return 0;
}

#endif
