/* A row's image: hash_record_extended(ROW(record_send(ROW(...))), 0), made of the row as it is sent to the server.
 *
 * The hash is Bob Jenkins' lookup3 (public domain), as PostgreSQL's hash_bytes_extended has it. */
#ifndef HOWDAH_IMAGE_H
#define HOWDAH_IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "buffer.h"
#include "normal.h"

#define JSONB_OID 3802

static inline uint32_t rotated(uint32_t value, int bits)
{
    return (value << bits) | (value >> (32 - bits));
}

static inline uint64_t lookup3(const uint8_t *bytes, size_t size)
{
    uint32_t a, b, c, words[3];
    size_t left = size;
    a = b = c = UINT32_C(0x9e3779b9) + (uint32_t)size + 3923095;
    for (; left >= 12; left -= 12, bytes += 12) {
        memcpy(words, bytes, 12);
        a += words[0];
        b += words[1];
        c += words[2];
        a -= c, a ^= rotated(c, 4), c += b;
        b -= a, b ^= rotated(a, 6), a += c;
        c -= b, c ^= rotated(b, 8), b += a;
        a -= c, a ^= rotated(c, 16), c += b;
        b -= a, b ^= rotated(a, 19), a += c;
        c -= b, c ^= rotated(b, 4), b += a;
    }
    memset(words, 0, sizeof words);
    memcpy(words, bytes, left < 8 ? left : 8);
    /* The lowest byte of the last word was meant for the length. */
    if (left > 8)
        memcpy((uint8_t *)(words + 2) + 1, bytes + 8, left - 8);
    a += words[0];
    b += words[1];
    c += words[2];
    c ^= b, c -= rotated(b, 14);
    a ^= c, a -= rotated(c, 11);
    b ^= a, b -= rotated(a, 25);
    c ^= b, c -= rotated(b, 16);
    a ^= c, a -= rotated(c, 4);
    b ^= a, b -= rotated(a, 14);
    c ^= b, c -= rotated(b, 24);
    return (uint64_t)b << 32 | c;
}

/* Hashes a row of a COPY stream; returns whether it is known how the server would send it.
 *
 * scratch: is overwritten. */
static inline int row_image(const uint8_t *row, const uint32_t *oids, int count, Buffer *scratch, uint64_t *image)
{
    scratch->size = 0;
    buffer_add32(scratch, (uint32_t)count);
    row += 2;
    for (int field = 0; field < count; field++) {
        uint32_t size;
        memcpy(&size, row, 4);
        size = __builtin_bswap32(size);
        buffer_add32(scratch, oids[field]);
        if (size == UINT32_MAX) {
            buffer_add32(scratch, size);
            row += 4;
            continue;
        }
        if (oids[field] == JSONB_OID) {
            size_t start = scratch->size;
            buffer_add(scratch, row, 5); /* a place for the length; the version */
            if (!normal_value(row + 5, size - 1, 0, scratch) || scratch->failed)
                return 0;
            uint32_t written = __builtin_bswap32((uint32_t)(scratch->size - start - 4));
            memcpy(scratch->data + start, &written, 4);
        } else {
            buffer_add(scratch, row, 4 + (size_t)size);
        }
        row += 4 + (size_t)size;
    }
    *image = lookup3(scratch->data, scratch->size);
    return 1;
}

/* Whether a row of any origin is laid out as it says, and each document in it is one that normal_value can read. */
static inline int row_checked(const uint8_t *row, size_t size, const uint32_t *oids, int count)
{
    size_t at = 2;
    for (int field = 0; field < count; field++) {
        uint32_t bytes;
        if (at + 4 > size)
            return 0;
        memcpy(&bytes, row + at, 4);
        bytes = __builtin_bswap32(bytes);
        at += 4;
        if (bytes == UINT32_MAX)
            continue;
        if (bytes > size - at || (oids[field] == JSONB_OID && (!bytes || !document_sound(row + at + 1, bytes - 1, 1))))
            return 0;
        at += bytes;
    }
    return at == size;
}

#endif
