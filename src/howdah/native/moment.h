/* Moments as PostgreSQL counts them: microseconds since 2000-01-01, in the proleptic Gregorian calendar. */
#ifndef HOWDAH_MOMENT_H
#define HOWDAH_MOMENT_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

#define DAY INT64_C(86400000000)
#define SINCE_1970 (INT64_C(10957) * DAY)
/* Years 1 to 9999. */
#define FIRST_MOMENT (INT64_C(-62135596800000000) - SINCE_1970)
#define LAST_MOMENT (INT64_C(253402300799999999) - SINCE_1970)

static inline int moment_within(int64_t micros)
{
    return micros >= FIRST_MOMENT && micros <= LAST_MOMENT;
}

static inline int two_digits(const uint8_t *text)
{
    return is_digit(text[0]) && is_digit(text[1]) ? (text[0] - '0') * 10 + text[1] - '0' : -1;
}

/* Reads YYYY-MM-DD as days since 2000-01-01; returns whether there is such a day. */
static inline int moment_day(const uint8_t *text, int64_t *days)
{
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int century = two_digits(text), rest = two_digits(text + 2), month = two_digits(text + 5), day = two_digits(text + 8);
    if (century < 0 || rest < 0 || text[4] != '-' || month < 1 || month > 12 || text[7] != '-' || day < 1)
        return 0;
    int year = century * 100 + rest;
    int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (year < 1 || day > lengths[month - 1] + (leap && month == 2))
        return 0;
    /* Years that begin in March, so that the day that comes and goes is the last one. */
    int64_t marches = month > 2 ? year : year - 1;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    *days = marches * 365 + marches / 4 - marches / 100 + marches / 400 + of_year - 730425;
    return 1;
}

/* Reads HH:MM[:SS[.fraction]] from the start of a text as microseconds; returns how many bytes it takes, 0 for none. */
static inline size_t moment_clock(const uint8_t *text, size_t size, int64_t *micros)
{
    if (size < 5 || text[2] != ':')
        return 0;
    int hour = two_digits(text), minute = two_digits(text + 3), second = 0;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59)
        return 0;
    size_t at = 5;
    int64_t fraction = 0;
    if (size >= 8 && text[5] == ':') {
        second = two_digits(text + 6);
        if (second < 0 || second > 59)
            return 0;
        at = 8;
        if (at < size && (text[at] == '.' || text[at] == ',')) {
            int digits = 0;
            for (at++; at < size && is_digit(text[at]); at++, digits++) {
                if (digits < 6)
                    fraction = fraction * 10 + (text[at] - '0');
                else if (text[at] != '0')
                    return 0; /* finer than a microsecond */
            }
            if (!digits)
                return 0;
            for (; digits < 6; digits++)
                fraction *= 10;
        }
    }
    *micros = ((hour * INT64_C(60) + minute) * 60 + second) * 1000000 + fraction;
    return at;
}

/* Reads a zone, which is all of a text, as microseconds ahead of UTC; returns whether it is one. */
static inline int moment_zone(const uint8_t *text, size_t size, int64_t *ahead)
{
    *ahead = 0;
    if (size == 1 && (text[0] | 0x20) == 'z')
        return 1;
    if (size == 3 && !memcmp(text, "UTC", 3))
        return 1;
    if ((size != 3 && size != 5 && size != 6) || (text[0] != '+' && text[0] != '-') || (size == 6 && text[3] != ':'))
        return 0;
    int hours = two_digits(text + 1), minutes = size == 3 ? 0 : two_digits(text + size - 2);
    if (hours < 0 || hours > 15 || minutes < 0 || minutes > 59)
        return 0;
    *ahead = (hours * INT64_C(60) + minutes) * 60000000 * (text[0] == '-' ? -1 : 1);
    return 1;
}

/* Reads a text of ISO 8601; returns 0 for what it does not know, 1 for a moment without a zone, 2 for one with it.
 * `micros` is UTC; `local_micros` is what the clock shows. */
static inline int moment_text(const uint8_t *text, size_t size, int64_t *micros, int64_t *local_micros)
{
    int64_t days, clock = 0, ahead = 0;
    int kind = 1;
    if (size < 10 || !moment_day(text, &days))
        return 0;
    if (size > 10) {
        if ((text[10] | 0x20) != 't' && text[10] != ' ')
            return 0;
        size_t at = moment_clock(text + 11, size - 11, &clock);
        if (!at)
            return 0;
        at += 11;
        if (at < size) {
            at += text[at] == ' ';
            if (!moment_zone(text + at, size - at, &ahead))
                return 0;
            kind = 2;
        }
    }
    *local_micros = days * DAY + clock;
    *micros = *local_micros - ahead;
    return moment_within(*micros) ? kind : 0;
}

/* Reads a whole number of units since 1970; returns whether it is within the calendar. */
static inline int moment_integer(int64_t value, int64_t factor, int64_t *micros)
{
    int64_t bound = (INT64_C(1) << 62) / factor;
    if (value <= -bound || value >= bound)
        return 0;
    *micros = value * factor - SINCE_1970;
    return moment_within(*micros);
}

/* Reads units since 1970 with a fraction; returns whether they are whole microseconds within the calendar.
 *
 * A double stands for the shortest decimal that reads back as it. Where doubles are closer together than
 * microseconds, at most one decimal of whole microseconds reads back as a given double. */
static inline int moment_real(double value, int64_t factor, int64_t *micros)
{
    double size = fabs(value);
    if (!(size < 1e18) || (nextafter(size, INFINITY) - size) * (double)factor >= 0.5)
        return 0;
    double rounded = rint(value * (double)factor);
    if (rounded / (double)factor != value || fabs(rounded) >= 9007199254740992.0)
        return 0;
    *micros = (int64_t)rounded - SINCE_1970;
    return moment_within(*micros);
}

#endif
