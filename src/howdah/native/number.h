/* Decimal numbers of at most 18 digits, in PostgreSQL's binary form of numeric. */
#ifndef HOWDAH_NUMBER_H
#define HOWDAH_NUMBER_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "text.h"

/* digits / 10^scale, with its sign. */
typedef struct {
    int negative;
    uint64_t digits;
    int scale;
} Decimal;

static inline int decimal_from_integer(int64_t value, Decimal *decimal)
{
    if (value <= INT64_C(-1000000000000000000) || value >= INT64_C(1000000000000000000))
        return 0;
    decimal->negative = value < 0;
    decimal->digits = (uint64_t)(value < 0 ? -value : value);
    decimal->scale = 0;
    return 1;
}

/* The shortest decimal that reads back as a double, where that has no more than 15 digits: no two of those read as
 * the same double. Python writes at least one decimal place. */
static inline int decimal_from_real(double value, Decimal *decimal)
{
    double power = 10;
    if (value == 0 && signbit(value))
        return 0;
    for (int scale = 1; scale <= 15; scale++, power *= 10) {
        double digits = rint(value * power);
        if (!(fabs(digits) < 1e15))
            return 0;
        if (digits / power == value) {
            decimal->negative = value < 0;
            decimal->digits = (uint64_t)fabs(digits);
            decimal->scale = scale;
            return 1;
        }
    }
    return 0;
}

/* Reads [+-]digits[.digits]; zero without a sign. */
static inline int decimal_from_text(const uint8_t *text, size_t size, Decimal *decimal)
{
    size_t at = size && (text[0] == '+' || text[0] == '-');
    int digits = 0, point = 0;
    decimal->digits = 0;
    decimal->scale = 0;
    if (size - at > 19)
        return 0;
    for (; at < size; at++) {
        if (text[at] == '.' && !point) {
            point = 1;
            continue;
        }
        if (!is_digit(text[at]) || ++digits > 18)
            return 0;
        decimal->digits = decimal->digits * 10 + (uint64_t)(text[at] - '0');
        decimal->scale += point;
    }
    decimal->negative = size && text[0] == '-';
    return digits && !(decimal->negative && !decimal->digits);
}

/* Whether a number enters numeric(precision, scale) without rounding. */
static inline int decimal_fits(const Decimal *decimal, int precision, int scale)
{
    uint64_t digits = decimal->digits;
    int significant = 0, exponent = -decimal->scale;
    if (!digits)
        return 1;
    for (; digits % 10 == 0; digits /= 10)
        exponent++;
    for (; digits; digits /= 10)
        significant++;
    return -exponent <= scale && significant + exponent <= precision - scale;
}

/* Adds what numeric_send of PostgreSQL's numeric.c writes, with its length in front. */
static inline void decimal_add(Buffer *buffer, const Decimal *decimal)
{
    uint16_t groups[12]; /* of four decimal digits, the least first */
    uint64_t digits = decimal->digits;
    int count = 0, filler = (4 - decimal->scale % 4) % 4, after = (decimal->scale + filler) / 4, first = 0;
    uint64_t power = 1;
    for (int place = 0; place < filler; place++)
        power *= 10;
    /* The last group is filled up behind the point; shifting all digits could overflow. */
    if (digits) {
        groups[count++] = (uint16_t)(digits % (10000 / power) * power);
        for (digits /= 10000 / power; digits; digits /= 10000)
            groups[count++] = (uint16_t)(digits % 10000);
        while (first < count && !groups[first])
            first++;
    }
    buffer_add32(buffer, (uint32_t)(8 + 2 * (count - first)));
    buffer_add16(buffer, (uint16_t)(count - first));
    buffer_add16(buffer, (uint16_t)(count ? count - after - 1 : 0));
    buffer_add16(buffer, decimal->negative ? 0x4000 : 0);
    buffer_add16(buffer, (uint16_t)decimal->scale);
    for (int group = count - 1; group >= first; group--)
        buffer_add16(buffer, groups[group]);
}

#endif
