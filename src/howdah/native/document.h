/* JSON documents: those that PostgreSQL surely takes, and of which jsonb surely keeps everything. */
#ifndef HOWDAH_DOCUMENT_H
#define HOWDAH_DOCUMENT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "text.h"

/* Deeper documents, and those with more keys in all objects that are open at a time, are not decided here. */
#define DOCUMENT_DEPTH 64
#define DOCUMENT_KEYS 256

typedef struct {
    const uint8_t *start;
    size_t size;
} DocumentKey;

static inline size_t document_space(const uint8_t *text, size_t size, size_t at)
{
    while (at < size && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r'))
        at++;
    return at;
}

static inline int document_escape(const uint8_t *text, size_t size, size_t at)
{
    int code = 0;
    if (size - at < 6 || text[at] != '\\' || text[at + 1] != 'u')
        return -1;
    for (size_t place = at + 2; place < at + 6; place++) {
        int digit = hexadecimal(text[place]);
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

/* Reads a string from its opening quotation mark; returns where it is over, or 0. */
static inline size_t document_string(const uint8_t *text, size_t size, size_t at, int *escaped)
{
    *escaped = 0;
    for (at++; at < size; at++) {
        if (text[at] == '"')
            return at + 1;
        if (text[at] < 0x20)
            return 0;
        if (text[at] != '\\')
            continue;
        *escaped = 1;
        if (size - at < 2)
            return 0;
        if (text[at + 1] != 'u') {
            if (!memchr("\"\\/bfnrt", text[at + 1], 8))
                return 0;
            at++;
            continue;
        }
        int code = document_escape(text, size, at);
        /* No \u0000, and both halves of a surrogate pair. */
        if (code <= 0 || (code >= 0xDC00 && code <= 0xDFFF))
            return 0;
        at += 5;
        if (code >= 0xD800 && code <= 0xDBFF) {
            int second = document_escape(text, size, at + 1);
            if (second < 0xDC00 || second > 0xDFFF)
                return 0;
            at += 6;
        }
    }
    return 0;
}

static inline size_t document_digits(const uint8_t *text, size_t size, size_t at)
{
    while (at < size && is_digit(text[at]))
        at++;
    return at;
}

/* Reads a number; returns where it is over, or 0. */
static inline size_t document_number(const uint8_t *text, size_t size, size_t at)
{
    at += text[at] == '-';
    size_t first = at;
    at = document_digits(text, size, at);
    if (at == first || (text[first] == '0' && at > first + 1))
        return 0;
    if (at < size && text[at] == '.') {
        first = ++at;
        at = document_digits(text, size, at);
        if (at == first)
            return 0;
    }
    if (at < size && (text[at] | 0x20) == 'e') {
        at++;
        if (at < size && (text[at] == '+' || text[at] == '-'))
            at++;
        first = at;
        at = document_digits(text, size, at);
        if (at == first)
            return 0;
    }
    return at;
}

/* Whether a text, which is known to be UTF-8 without NUL, is a document; no may mean that it was not decided.
 *
 * unique: no object has a key twice. */
static inline int document_sound(const uint8_t *text, size_t size, int unique)
{
    DocumentKey keys[DOCUMENT_KEYS];
    size_t bases[DOCUMENT_DEPTH]; /* the first key of each object that is open */
    uint8_t closing[DOCUMENT_DEPTH];
    size_t depth = 0, known = 0, at = document_space(text, size, 0);
    int escaped, key_comes = 0;

    for (;;) {
        if (at >= size)
            return 0;
        if (key_comes) {
            size_t start = at;
            if (text[at] != '"' || !(at = document_string(text, size, at, &escaped)))
                return 0;
            if (unique) {
                if (escaped || known == DOCUMENT_KEYS)
                    return 0;
                DocumentKey key = {text + start, at - start};
                for (size_t other = bases[depth - 1]; other < known; other++)
                    if (keys[other].size == key.size && !memcmp(keys[other].start, key.start, key.size))
                        return 0;
                keys[known++] = key;
            }
            at = document_space(text, size, at);
            if (at >= size || text[at] != ':')
                return 0;
            at = document_space(text, size, at + 1);
            if (at >= size)
                return 0;
        }
        key_comes = 0;
        /* A value. */
        uint8_t first = text[at];
        if (first == '{' || first == '[') {
            uint8_t end = first == '{' ? '}' : ']';
            at = document_space(text, size, at + 1);
            if (at < size && text[at] == end) {
                at++;
            } else {
                if (depth == DOCUMENT_DEPTH)
                    return 0;
                bases[depth] = known;
                closing[depth++] = end;
                key_comes = end == '}';
                continue;
            }
        } else if (first == '"') {
            at = document_string(text, size, at, &escaped);
        } else if (first == '-' || is_digit(first)) {
            at = document_number(text, size, at);
        } else if (size - at >= 4 && (!memcmp(text + at, "true", 4) || !memcmp(text + at, "null", 4))) {
            at += 4;
        } else if (size - at >= 5 && !memcmp(text + at, "false", 5)) {
            at += 5;
        } else {
            return 0;
        }
        if (!at)
            return 0;
        /* What follows it: the end of what is open, the next value, or nothing. */
        for (;;) {
            at = document_space(text, size, at);
            if (!depth)
                return at == size;
            if (at >= size)
                return 0;
            if (text[at] == ',') {
                at = document_space(text, size, at + 1);
                key_comes = closing[depth - 1] == '}';
                break;
            }
            if (text[at] != closing[depth - 1])
                return 0;
            known = bases[--depth];
            at++;
        }
    }
}

#endif
