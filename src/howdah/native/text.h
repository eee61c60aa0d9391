/* Text as PostgreSQL can hold it: UTF-8 without NUL characters. */
#ifndef HOWDAH_TEXT_H
#define HOWDAH_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The number of characters, or -1 for text that is no UTF-8 (as Python's strict decoder has it) or holds NUL. */
static inline int64_t text_characters(const uint8_t *text, size_t size)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = UINT64_C(0x8080808080808080);
    size_t at = 0;
    int64_t continued = 0;
    while (at < size) {
        uint64_t eight;
        while (size - at >= 8) {
            memcpy(&eight, text + at, 8);
            /* One less than NUL has the high bit, too. */
            if (((eight - ones) | eight) & highs)
                break;
            at += 8;
        }
        if (at >= size)
            break;
        uint8_t lead = text[at];
        if (!lead)
            return -1;
        if (lead < 0x80) {
            at++;
            continue;
        }
        size_t more;
        uint8_t lowest = 0x80, highest = 0xBF;
        if (lead >= 0xC2 && lead <= 0xDF) {
            more = 1;
        } else if (lead >= 0xE0 && lead <= 0xEF) {
            more = 2;
            if (lead == 0xE0)
                lowest = 0xA0; /* overlong */
            else if (lead == 0xED)
                highest = 0x9F; /* surrogates */
        } else if (lead >= 0xF0 && lead <= 0xF4) {
            more = 3;
            if (lead == 0xF0)
                lowest = 0x90; /* overlong */
            else if (lead == 0xF4)
                highest = 0x8F; /* beyond U+10FFFF */
        } else {
            return -1;
        }
        if (size - at <= more || text[at + 1] < lowest || text[at + 1] > highest)
            return -1;
        for (size_t next = 2; next <= more; next++)
            if ((text[at + next] & 0xC0) != 0x80)
                return -1;
        at += more + 1;
        continued += (int64_t)more;
    }
    return (int64_t)size - continued;
}

static inline int is_digit(uint8_t character)
{
    return character >= '0' && character <= '9';
}

/* What a hexadecimal digit stands for, or -1. */
static inline int hexadecimal(uint8_t character)
{
    static const int8_t digits[256] = {
        ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
        ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
        ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
    };
    return digits[character] - 1;
}

/* Whether text is one of PostgreSQL's words for true (1) or false (0), in any case; else -1. */
static inline int text_truth(const uint8_t *text, size_t size)
{
    static const char *const words[] = {"f", "t", "0", "1", "n", "y", "no", "on", "off", "yes", "false", "true"};
    static const int truths[] = {0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1};
    char lower[6] = {0};
    if (!size || size >= sizeof lower)
        return -1;
    for (size_t at = 0; at < size; at++)
        lower[at] = text[at] >= 'A' && text[at] <= 'Z' ? (char)(text[at] | 0x20) : (char)text[at];
    for (size_t word = 0; word < sizeof words / sizeof *words; word++)
        if (strlen(words[word]) == size && !memcmp(lower, words[word], size))
            return truths[word];
    return -1;
}

/* Reads [+-]?digits of at most 18 digits; returns whether it is that. */
static inline int text_integer(const uint8_t *text, size_t size, int64_t *value)
{
    size_t at = size && (text[0] == '+' || text[0] == '-');
    if (at == size || size - at > 18)
        return 0;
    int64_t found = 0;
    for (size_t place = at; place < size; place++) {
        if (!is_digit(text[place]))
            return 0;
        found = found * 10 + (text[place] - '0');
    }
    *value = text[0] == '-' ? -found : found;
    return 1;
}

/* Reads a UUID in its usual spelling, or without hyphens; returns whether it is one. */
static inline int text_uuid(const uint8_t *text, size_t size, uint8_t uuid[16])
{
    static const uint8_t places[16] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};
    int hyphens = size == 36;
    if (hyphens ? text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' : size != 32)
        return 0;
    int bad = 0;
    for (int byte = 0; byte < 16; byte++) {
        const uint8_t *pair = text + (hyphens ? places[byte] : 2 * byte);
        int high = hexadecimal(pair[0]), low = hexadecimal(pair[1]);
        bad |= high | low;
        uuid[byte] = (uint8_t)((high << 4) | (low & 15));
    }
    return bad >= 0;
}

#endif
