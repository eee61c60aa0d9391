/* The canonical encoding of values, as howdah.encoding has it: type tag, length, bytes. Part of the verifier. */
#ifndef HOWDAH_CANONICAL_H
#define HOWDAH_CANONICAL_H

#include <stdint.h>
#include <string.h>

#include "buffer.h"

/* Digits of a number that is decided here; a double has 17 at most. */
#define DECIMAL_DIGITS 64

/* digits * 10^exponent, with its sign. */
typedef struct {
    int negative;
    int count;
    int64_t exponent;
    uint8_t digits[DECIMAL_DIGITS];
} ExactNumber;

static inline void canonical_add(Buffer *row, uint8_t tag, const void *bytes, size_t size)
{
    if (!buffer_reserve(row, 5 + size))
        return;
    uint8_t *at = row->data + row->size;
    uint32_t big = __builtin_bswap32((uint32_t)size);
    at[0] = tag;
    memcpy(at + 1, &big, 4);
    if (size)
        memcpy(at + 5, bytes, size);
    row->size += 5 + size;
}

static inline void canonical_null(Buffer *row)
{
    canonical_add(row, 'N', NULL, 0);
}

/* Writes a number's digits; returns how many bytes they are, with the sign. */
static inline size_t canonical_digits(int64_t value, uint8_t text[20])
{
    uint8_t backwards[20];
    size_t count = 0, at = 0;
    uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do {
        backwards[count++] = (uint8_t)('0' + left % 10);
        left /= 10;
    } while (left);
    if (value < 0)
        text[at++] = '-';
    while (count)
        text[at++] = backwards[--count];
    return at;
}

static inline void canonical_integer(Buffer *row, int64_t value)
{
    uint8_t text[20];
    canonical_add(row, 'i', text, canonical_digits(value, text));
}

static inline void canonical_64(Buffer *row, uint8_t tag, uint64_t value)
{
    value = __builtin_bswap64(value);
    canonical_add(row, tag, &value, 8);
}

static inline void canonical_32(Buffer *row, uint8_t tag, uint32_t value)
{
    value = __builtin_bswap32(value);
    canonical_add(row, tag, &value, 4);
}

/* Adds an exact number by its value; its digits must not be in the row. */
static inline void canonical_exact(Buffer *row, int negative, const uint8_t *digits, size_t count, int64_t exponent)
{
    while (count && *digits == '0') {
        digits++;
        count--;
    }
    for (; count && digits[count - 1] == '0'; count--)
        exponent++;
    if (!count) {
        canonical_add(row, 'n', "0", 1);
        return;
    }
    uint8_t power[20];
    size_t power_size = canonical_digits(exponent, power), size = (size_t)!!negative + count + 1 + power_size;
    if (!buffer_reserve(row, 5 + size))
        return;
    uint8_t *at = row->data + row->size;
    uint32_t big = __builtin_bswap32((uint32_t)size);
    *at = 'n';
    memcpy(at + 1, &big, 4);
    at += 5;
    if (negative)
        *at++ = '-';
    memcpy(at, digits, count);
    at += count;
    *at++ = 'E';
    memcpy(at, power, power_size);
    row->size += 5 + size;
}

/* Reads [+-]digits[.digits][e[+-]digits]; returns whether a text is that, and no longer than what is decided here. */
static inline int exact_read(const uint8_t *text, size_t size, ExactNumber *number)
{
    size_t at = 0;
    int point = 0, last = 0;
    int64_t power = 0;
    number->negative = size && text[0] == '-';
    number->count = 0;
    number->exponent = 0;
    at += size && (text[0] == '-' || text[0] == '+');
    for (; at < size; at++) {
        if (text[at] >= '0' && text[at] <= '9') {
            if (number->count == DECIMAL_DIGITS)
                return 0;
            number->digits[number->count++] = text[at];
            number->exponent -= point;
            last = 1;
        } else if (text[at] == '.' && !point && last) {
            point = 1;
            last = 0;
        } else {
            break;
        }
    }
    if (!last)
        return 0;
    if (at == size)
        return 1;
    if (text[at] != 'e' && text[at] != 'E')
        return 0;
    at++;
    int below = at < size && text[at] == '-';
    at += at < size && (text[at] == '-' || text[at] == '+');
    if (at == size || size - at > 6)
        return 0;
    for (; at < size; at++) {
        if (text[at] < '0' || text[at] > '9')
            return 0;
        power = power * 10 + (text[at] - '0');
    }
    number->exponent += below ? -power : power;
    return 1;
}

static inline void canonical_number(Buffer *row, const ExactNumber *number)
{
    canonical_exact(row, number->negative, number->digits, (size_t)number->count, number->exponent);
}

#endif
