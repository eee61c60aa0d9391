/* What PostgreSQL holds, from the binary form of COPY to the canonical encoding. Part of the verifier. */
#ifndef HOWDAH_STORED_H
#define HOWDAH_STORED_H

#include <stdint.h>
#include <string.h>

#include "buffer.h"
#include "canonical.h"
#include "meaning.h"

/* The numbers are those of howdah.verify.rules. */
enum {
    STORED_TEXT,
    STORED_PADDED,
    STORED_INTEGER,
    STORED_BOOLEAN,
    STORED_DOUBLE,
    STORED_SINGLE,
    STORED_NUMERIC,
    STORED_UUID,
    STORED_BYTEA,
    STORED_ZONED,
    STORED_LOCAL,
    STORED_DATE,
    STORED_TIME,
    STORED_JSONB,
};

/* Base-10000 digits that are decided here. */
#define STORED_GROUPS 64

static inline uint16_t stored_16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t stored_32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, 4);
    return __builtin_bswap32(value);
}

/* Reads what numeric_send of PostgreSQL's numeric.c writes. */
static inline int stored_numeric(const uint8_t *bytes, size_t size, Buffer *row)
{
    uint8_t digits[4 * STORED_GROUPS];
    if (size < 8)
        return 0;
    size_t groups = stored_16(bytes);
    int weight = (int16_t)stored_16(bytes + 2), sign = stored_16(bytes + 4);
    if (groups > STORED_GROUPS || size != 8 + 2 * groups || (sign && sign != 0x4000))
        return 0;
    for (size_t group = 0; group < groups; group++) {
        unsigned int value = stored_16(bytes + 8 + 2 * group);
        for (int place = 3; place >= 0; place--, value /= 10)
            digits[4 * group + (size_t)place] = (uint8_t)('0' + value % 10);
    }
    canonical_exact(row, sign, digits, 4 * groups, 4 * ((int64_t)weight - (int64_t)groups + 1));
    return 1;
}

/* Adds a value that is not NULL; returns whether it was decided. */
static inline int stored_add(int kind, const uint8_t *bytes, size_t size, Buffer *row, Scratch *scratch)
{
    switch (kind) {
    case STORED_PADDED:
        while (size && bytes[size - 1] == ' ')
            size--;
        /* fall through */
    case STORED_TEXT:
        canonical_add(row, 't', bytes, size);
        return 1;
    case STORED_INTEGER: {
        if (size != 2 && size != 4 && size != 8)
            return 0;
        uint64_t value = bytes[0] & 0x80 ? UINT64_MAX : 0;
        for (size_t at = 0; at < size; at++)
            value = value << 8 | bytes[at];
        canonical_integer(row, (int64_t)value);
        return 1;
    }
    case STORED_BOOLEAN:
        canonical_add(row, 'b', size == 1 && !bytes[0] ? "\0" : "\1", 1);
        return size == 1;
    case STORED_DOUBLE:
        canonical_add(row, 'd', bytes, size);
        return size == 8;
    case STORED_SINGLE:
        canonical_add(row, 'f', bytes, size);
        return size == 4;
    case STORED_NUMERIC:
        return stored_numeric(bytes, size, row);
    case STORED_UUID:
        canonical_add(row, 'u', bytes, size);
        return size == 16;
    case STORED_BYTEA:
        canonical_add(row, 'x', bytes, size);
        return 1;
    case STORED_ZONED:
    case STORED_LOCAL:
        canonical_add(row, kind == STORED_ZONED ? 'z' : 's', bytes, size);
        return size == 8;
    case STORED_DATE:
        canonical_add(row, 'D', bytes, size);
        return size == 4;
    case STORED_TIME:
        canonical_add(row, 'h', bytes, size);
        return size == 8;
    case STORED_JSONB:
        return size && bytes[0] == 1 && canonical_document(row, bytes + 1, size - 1, scratch);
    }
    return 0;
}

#endif
