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
/* Bytes of a row of a COPY stream that has an image for its only field. */
#define IMAGE_SIZE 14

static inline uint32_t rotated(uint32_t value, int bits)
{
    return (value << bits) | (value >> (32 - bits));
}

typedef struct {
    uint32_t a, b, c;
} Lookup3;

static inline Lookup3 lookup3_start(size_t size)
{
    uint32_t first = UINT32_C(0x9e3779b9) + (uint32_t)size + 3923095;
    return (Lookup3){first, first, first};
}

static inline Lookup3 lookup3_mixed(Lookup3 state, const uint8_t *bytes)
{
    uint32_t words[3], a = state.a, b = state.b, c = state.c;
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
    return (Lookup3){a, b, c};
}

/* Takes in what is left: whole blocks, then the last bytes. */
static inline uint64_t lookup3_end(Lookup3 state, const uint8_t *bytes, size_t left)
{
    uint32_t words[3] = {0, 0, 0};
    for (; left >= 12; left -= 12, bytes += 12)
        state = lookup3_mixed(state, bytes);
    uint32_t a = state.a, b = state.b, c = state.c;
    if (left)
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

static inline uint64_t lookup3(const Buffer *row)
{
    return lookup3_end(lookup3_start(row->size), row->data, row->size);
}

/* Hashes two rows at once: each step waits for the one before it, and the other row's is done meanwhile. */
static inline void lookup3_both(const Buffer *one, const Buffer *other, uint64_t images[2])
{
    Lookup3 first = lookup3_start(one->size), second = lookup3_start(other->size);
    size_t common = one->size < other->size ? one->size : other->size, at = 0;
    for (; common - at >= 12; at += 12) {
        first = lookup3_mixed(first, one->data + at);
        second = lookup3_mixed(second, other->data + at);
    }
    images[0] = lookup3_end(first, one->data + at, one->size - at);
    images[1] = lookup3_end(second, other->data + at, other->size - at);
}

/* Writes a row of a COPY stream as the server would send it; returns whether that is known. */
static inline int row_sent(const uint8_t *row, const uint32_t *oids, int count, Buffer *sent)
{
    sent->size = 0;
    buffer_add32(sent, (uint32_t)count);
    row += 2;
    for (int field = 0; field < count; field++) {
        uint32_t size;
        memcpy(&size, row, 4);
        size = __builtin_bswap32(size);
        buffer_add32(sent, oids[field]);
        if (size == UINT32_MAX) {
            buffer_add32(sent, size);
            row += 4;
            continue;
        }
        if (oids[field] == JSONB_OID) {
            size_t start = sent->size;
            buffer_add(sent, row, 5); /* a place for the length; the version */
            if (!normal_value(row + 5, size - 1, 0, sent) || sent->failed)
                return 0;
            uint32_t written = __builtin_bswap32((uint32_t)(sent->size - start - 4));
            memcpy(sent->data + start, &written, 4);
        } else {
            buffer_add(sent, row, 4 + (size_t)size);
        }
        row += 4 + (size_t)size;
    }
    return !sent->failed;
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
