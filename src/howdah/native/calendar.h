/* Texts of ISO 8601 as moments, days and times. Part of the verifier; what is not decided is left to its rules. */
#ifndef HOWDAH_CALENDAR_H
#define HOWDAH_CALENDAR_H

#include <stddef.h>
#include <stdint.h>

#define MICROS_PER_DAY INT64_C(86400000000)

/* Reads a number of so many digits, or returns -1. */
static inline int expected_number(const uint8_t *text, int digits)
{
    int value = 0;
    for (int at = 0; at < digits; at++) {
        if (text[at] < '0' || text[at] > '9')
            return -1;
        value = value * 10 + (text[at] - '0');
    }
    return value;
}

/* Reads YYYY-MM-DD as days since 2000-01-01, by Howard Hinnant's days_from_civil. */
static inline int expected_day(const uint8_t *text, int64_t *days)
{
    int year = expected_number(text, 4), month = expected_number(text + 5, 2), day = expected_number(text + 8, 2);
    if (year < 1 || month < 1 || month > 12 || day < 1 || text[4] != '-' || text[7] != '-')
        return 0;
    int longest = month == 2                                               ? 28 + (!(year % 4) && (year % 100 || !(year % 400)))
                  : month == 4 || month == 6 || month == 9 || month == 11 ? 30
                                                                           : 31;
    if (day > longest)
        return 0;
    int shifted = year - (month <= 2), era = shifted / 400, of_era = shifted - era * 400;
    int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    *days = INT64_C(146097) * era + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468 - 10957;
    return 1;
}

/* Reads HH:MM[:SS[.fraction]], which is all of a text, as microseconds since midnight. */
static inline int expected_clock(const uint8_t *text, size_t size, int cut, int64_t *micros)
{
    if (size != 5 && size != 8 && size < 10)
        return 0;
    int hour = expected_number(text, 2), minute = expected_number(text + 3, 2), second = 0;
    int64_t fraction = 0;
    if (hour < 0 || hour > 23 || text[2] != ':' || minute < 0 || minute > 59)
        return 0;
    if (size > 5) {
        second = expected_number(text + 6, 2);
        if (text[5] != ':' || second < 0 || second > 59)
            return 0;
    }
    if (size > 8) {
        if (text[8] != '.' && text[8] != ',')
            return 0;
        for (size_t at = 9; at < size || at < 15; at++) {
            int digit = at < size ? expected_number(text + at, 1) : 0;
            if (digit < 0 || (at >= 15 && digit && !cut))
                return 0;
            if (at < 15)
                fraction = fraction * 10 + digit;
        }
    }
    *micros = ((hour * 60 + minute) * INT64_C(60) + second) * 1000000 + fraction;
    return 1;
}

/* Takes a zone off the end of a time; returns how many bytes are left, 0 for a zone that is not decided. */
static inline size_t expected_zone(const uint8_t *text, size_t size, int64_t *ahead)
{
    *ahead = 0;
    if (size > 1 && (text[size - 1] == 'Z' || text[size - 1] == 'z'))
        return size - 1;
    for (size_t width = 3; width <= 6 && width < size; width++) {
        const uint8_t *zone = text + size - width;
        if (*zone != '+' && *zone != '-')
            continue;
        int hours = expected_number(zone + 1, 2);
        int minutes = width == 3 ? 0 : width == 4 ? -1 : expected_number(text + size - 2, 2);
        if (hours < 0 || minutes < 0 || (width == 6 && zone[3] != ':'))
            return 0;
        *ahead = (hours * 60 + minutes) * INT64_C(60000000) * (*zone == '-' ? -1 : 1);
        return size - width;
    }
    return size;
}

#endif
