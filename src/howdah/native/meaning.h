/* What a JSON document means, in the canonical encoding: keys sorted, numbers exact, strings without escapes.
 *
 * What is not surely read as PostgreSQL reads it (a key twice, half a surrogate pair, deep nesting…) is not decided. */
#ifndef HOWDAH_MEANING_H
#define HOWDAH_MEANING_H

#include <stdint.h>
#include <string.h>

#include "buffer.h"
#include "canonical.h"

#define MEANING_DEPTH 64
/* Members of an object; more of them would have to be sorted in another way. */
#define MEANING_MEMBERS 512

typedef struct {
    size_t start, end; /* of key and value in the row */
    size_t key_size;
} Member;

/* What is needed besides the row; it may be used again for the next document. */
typedef struct {
    Buffer members, spare;
} Scratch;

typedef struct {
    const uint8_t *at, *end;
    Buffer *row;
    Scratch *scratch;
} Meaning;

static inline void meaning_space(Meaning *text)
{
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\t' || *text->at == '\n' || *text->at == '\r'))
        text->at++;
}

/* Reads four hexadecimal digits, or returns -1. */
static inline int meaning_unit(const Meaning *text, const uint8_t *at)
{
    int unit = 0;
    if (text->end - at < 4)
        return -1;
    for (int place = 0; place < 4; place++) {
        uint8_t one = at[place], low = one | 0x20;
        int digit = one >= '0' && one <= '9' ? one - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static inline void meaning_utf8(Buffer *row, uint32_t point)
{
    uint8_t bytes[4];
    size_t size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (size == 1) {
        bytes[0] = (uint8_t)point;
    } else {
        for (size_t place = size - 1; place; place--, point >>= 6)
            bytes[place] = (uint8_t)(0x80 | (point & 0x3F));
        bytes[0] = (uint8_t)((0xF00 >> size) | point);
    }
    buffer_add(row, bytes, size);
}

/* Adds what an escape stands for, from behind its backslash. */
static inline int meaning_escape(Meaning *text)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (text->at >= text->end || !*text->at)
        return 0;
    const char *known = strchr(names, *text->at);
    if (known) {
        buffer_add(text->row, values + (known - names), 1);
        text->at++;
        return 1;
    }
    if (*text->at != 'u')
        return 0;
    int unit = meaning_unit(text, text->at + 1);
    if (unit <= 0 || (unit >= 0xDC00 && unit <= 0xDFFF))
        return 0;
    text->at += 5;
    if (unit < 0xD800 || unit > 0xDBFF) {
        meaning_utf8(text->row, (uint32_t)unit);
        return 1;
    }
    if (text->end - text->at < 6 || text->at[0] != '\\' || text->at[1] != 'u')
        return 0;
    int second = meaning_unit(text, text->at + 2);
    if (second < 0xDC00 || second > 0xDFFF)
        return 0;
    text->at += 6;
    meaning_utf8(text->row, 0x10000 + (((uint32_t)unit - 0xD800) << 10) + ((uint32_t)second - 0xDC00));
    return 1;
}

/* Sets the length of a field that began at start. */
static inline void meaning_close(Buffer *row, size_t start)
{
    uint32_t big = __builtin_bswap32((uint32_t)(row->size - start - 5));
    if (!row->failed)
        memcpy(row->data + start + 1, &big, 4);
}

static inline int meaning_string(Meaning *text)
{
    Buffer *row = text->row;
    size_t start = row->size;
    canonical_add(row, 't', NULL, 0);
    for (text->at++; text->at < text->end;) {
        const uint8_t *from = text->at;
        while (text->at < text->end && *text->at >= 0x20 && *text->at != '"' && *text->at != '\\')
            text->at++;
        buffer_add(row, from, (size_t)(text->at - from));
        if (text->at == text->end || *text->at < 0x20)
            return 0;
        if (*text->at++ == '"') {
            meaning_close(row, start);
            return 1;
        }
        if (!meaning_escape(text))
            return 0;
    }
    return 0;
}

static inline int meaning_number(Meaning *text)
{
    const uint8_t *from = text->at;
    ExactNumber number;
    while (text->at < text->end && ((*text->at >= '0' && *text->at <= '9') || *text->at == '.' || *text->at == '+' ||
                                    *text->at == '-' || *text->at == 'e' || *text->at == 'E'))
        text->at++;
    size_t size = (size_t)(text->at - from), sign = *from == '-';
    if (size > sign + 1 && from[sign] == '0' && from[sign + 1] >= '0' && from[sign + 1] <= '9')
        return 0;
    if (!exact_read(from, size, &number))
        return 0;
    canonical_number(text->row, &number);
    return 1;
}

static inline int meaning_before(const Buffer *row, const Member *one, const Member *other)
{
    size_t both = one->key_size < other->key_size ? one->key_size : other->key_size;
    int found = memcmp(row->data + one->start + 5, row->data + other->start + 5, both);
    return found ? found : one->key_size < other->key_size ? -1 : one->key_size > other->key_size;
}

/* Puts the head of an object or array in front of what it holds. */
static inline void meaning_head(Buffer *row, uint8_t tag, size_t start, size_t count)
{
    uint8_t head[25], digits[20];
    size_t size = canonical_digits((int64_t)count, digits), old = row->size;
    uint32_t big = __builtin_bswap32((uint32_t)size);
    head[0] = tag;
    memcpy(head + 1, &big, 4);
    memcpy(head + 5, digits, size);
    buffer_add(row, head, size + 5);
    if (row->failed)
        return;
    memmove(row->data + start + size + 5, row->data + start, old - start);
    memcpy(row->data + start, head, size + 5);
}

/* Sorts the members of an object, which fill the row from start; returns whether no key is there twice. */
static inline int meaning_sort(Meaning *text, size_t start, Member *members, size_t count)
{
    Buffer *row = text->row, *spare = &text->scratch->spare;
    int moved = 0;
    for (size_t next = 1; next < count; next++) {
        Member one = members[next];
        size_t place = next;
        for (; place; place--) {
            int found = meaning_before(row, &one, &members[place - 1]);
            if (!found)
                return 0;
            if (found > 0)
                break;
            members[place] = members[place - 1];
            moved = 1;
        }
        members[place] = one;
    }
    if (!moved)
        return 1;
    spare->size = 0;
    for (size_t place = 0; place < count; place++)
        buffer_add(spare, row->data + members[place].start, members[place].end - members[place].start);
    if (spare->failed)
        return 0;
    memcpy(row->data + start, spare->data, spare->size);
    return 1;
}

static inline int meaning_value(Meaning *text, int depth);

static inline int meaning_object(Meaning *text, int depth)
{
    Buffer *row = text->row, *members = &text->scratch->members;
    size_t start = row->size, base = members->size, count = 0;
    text->at++;
    meaning_space(text);
    if (text->at < text->end && *text->at == '}') {
        text->at++;
        meaning_head(row, '{', start, 0);
        return 1;
    }
    for (;;) {
        Member member = {.start = row->size};
        if (text->at >= text->end || *text->at != '"' || !meaning_string(text))
            return 0;
        member.key_size = row->size - member.start - 5;
        meaning_space(text);
        if (text->at >= text->end || *text->at++ != ':' || !meaning_value(text, depth))
            return 0;
        member.end = row->size;
        buffer_add(members, &member, sizeof member);
        count++;
        if (text->at >= text->end)
            return 0;
        if (*text->at == '}')
            break;
        if (*text->at++ != ',')
            return 0;
        meaning_space(text);
    }
    text->at++;
    if (members->failed || row->failed || count > MEANING_MEMBERS ||
        !meaning_sort(text, start, (Member *)(members->data + base), count))
        return 0;
    members->size = base;
    meaning_head(row, '{', start, count);
    return 1;
}

static inline int meaning_array(Meaning *text, int depth)
{
    size_t start = text->row->size, count = 0;
    text->at++;
    meaning_space(text);
    if (text->at < text->end && *text->at == ']') {
        text->at++;
        meaning_head(text->row, '[', start, 0);
        return 1;
    }
    for (;;) {
        if (!meaning_value(text, depth))
            return 0;
        count++;
        if (text->at >= text->end)
            return 0;
        if (*text->at == ']')
            break;
        if (*text->at++ != ',')
            return 0;
    }
    text->at++;
    meaning_head(text->row, '[', start, count);
    return 1;
}

static inline int meaning_word(Meaning *text, const char *word, size_t size)
{
    if ((size_t)(text->end - text->at) < size || memcmp(text->at, word, size))
        return 0;
    text->at += size;
    return 1;
}

/* Adds a value, and passes over the blanks around it. */
static inline int meaning_value(Meaning *text, int depth)
{
    int known = 1;
    meaning_space(text);
    if (text->at >= text->end || depth == MEANING_DEPTH)
        return 0;
    switch (*text->at) {
    case '{':
        known = meaning_object(text, depth + 1);
        break;
    case '[':
        known = meaning_array(text, depth + 1);
        break;
    case '"':
        known = meaning_string(text);
        break;
    case 't':
        known = meaning_word(text, "true", 4);
        canonical_add(text->row, 'b', "\1", 1);
        break;
    case 'f':
        known = meaning_word(text, "false", 5);
        canonical_add(text->row, 'b', "\0", 1);
        break;
    case 'n':
        known = meaning_word(text, "null", 4);
        canonical_null(text->row);
        break;
    default:
        known = (*text->at == '-' || (*text->at >= '0' && *text->at <= '9')) && meaning_number(text);
    }
    meaning_space(text);
    return known;
}

/* Adds a document; returns whether it was decided. */
static inline int canonical_document(Buffer *row, const uint8_t *bytes, size_t size, Scratch *scratch)
{
    Meaning text = {bytes, bytes + size, row, scratch};
    size_t start = row->size;
    scratch->members.size = 0;
    canonical_add(row, 'j', NULL, 0);
    if (!meaning_value(&text, 0) || text.at != text.end)
        return 0;
    meaning_close(row, start);
    return 1;
}

#endif
