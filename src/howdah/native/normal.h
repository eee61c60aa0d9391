/* Documents as PostgreSQL's jsonb_out writes them: keys by length, then by bytes, and one blank after each colon and comma. */
#ifndef HOWDAH_NORMAL_H
#define HOWDAH_NORMAL_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "buffer.h"
#include "document.h"

/* An object with more members is not decided here. */
#define NORMAL_MEMBERS 64

typedef struct {
    DocumentKey key; /* without its quotation marks */
    size_t value;
} NormalMember;

static inline void normal_character(Buffer *out, int code)
{
    static const char shorts[] = "btnvfr"; /* 8 to 13, of which v is none of JSON's */
    char text[8];
    if (code == '"' || code == '\\') {
        text[0] = '\\';
        text[1] = (char)code;
        buffer_add(out, text, 2);
    } else if (code >= 8 && code <= 13 && code != 11) {
        text[0] = '\\';
        text[1] = shorts[code - 8];
        buffer_add(out, text, 2);
    } else if (code < 0x20) {
        buffer_add(out, text, (size_t)snprintf(text, sizeof text, "\\u%04x", (unsigned)code));
    } else if (code < 0x80) {
        text[0] = (char)code;
        buffer_add(out, text, 1);
    } else if (code < 0x800) {
        text[0] = (char)(0xC0 | (code >> 6));
        text[1] = (char)(0x80 | (code & 0x3F));
        buffer_add(out, text, 2);
    } else if (code < 0x10000) {
        text[0] = (char)(0xE0 | (code >> 12));
        text[1] = (char)(0x80 | ((code >> 6) & 0x3F));
        text[2] = (char)(0x80 | (code & 0x3F));
        buffer_add(out, text, 3);
    } else {
        text[0] = (char)(0xF0 | (code >> 18));
        text[1] = (char)(0x80 | ((code >> 12) & 0x3F));
        text[2] = (char)(0x80 | ((code >> 6) & 0x3F));
        text[3] = (char)(0x80 | (code & 0x3F));
        buffer_add(out, text, 4);
    }
}

/* Adds a string, given from its opening quotation mark to behind its closing one. */
static inline void normal_string(const uint8_t *text, size_t at, size_t end, Buffer *out)
{
    buffer_add(out, "\"", 1);
    for (at++; at < end - 1; at++) {
        size_t plain = at;
        while (at < end - 1 && text[at] != '\\')
            at++;
        buffer_add(out, text + plain, at - plain);
        if (at >= end - 1)
            break;
        int code = text[++at];
        switch (code) {
        case 'b': code = 8; break;
        case 't': code = 9; break;
        case 'n': code = 10; break;
        case 'f': code = 12; break;
        case 'r': code = 13; break;
        case 'u':
            code = document_escape(text, end, at - 1);
            at += 4;
            if (code >= 0xD800 && code <= 0xDBFF) {
                code = 0x10000 + ((code - 0xD800) << 10) + (document_escape(text, end, at + 1) - 0xDC00);
                at += 6;
            }
            break;
        }
        normal_character(out, code);
    }
    buffer_add(out, "\"", 1);
}

/* Where a value that is sound is over. */
static inline size_t normal_skip(const uint8_t *text, size_t size, size_t at)
{
    int depth = 0, escaped;
    do {
        at = document_space(text, size, at);
        if (text[at] == '"') {
            at = document_string(text, size, at, &escaped);
        } else if (text[at] == '{' || text[at] == '[') {
            depth++;
            at++;
        } else if (text[at] == '}' || text[at] == ']') {
            depth--;
            at++;
        } else if (text[at] == ',' || text[at] == ':') {
            at++;
        } else {
            while (at < size && !memchr(" \t\n\r,:]}", text[at], 8))
                at++;
        }
    } while (depth);
    return at;
}

static inline size_t normal_number(const uint8_t *text, size_t size, size_t at, Buffer *out)
{
    size_t end = document_number(text, size, at), place;
    if (!end)
        return 0;
    int zero = 1;
    for (place = at; place < end; place++) {
        if ((text[place] | 0x20) == 'e')
            return 0;
        zero = zero && (text[place] < '1' || text[place] > '9');
    }
    if (text[at] == '-' && zero)
        at++;
    buffer_add(out, text + at, end - at);
    return end;
}

/* Adds a value of a document that is sound and has each key once; returns where it is over, or 0 if it is not decided. */
static size_t normal_value(const uint8_t *text, size_t size, size_t at, Buffer *out)
{
    int escaped;
    size_t end;
    at = document_space(text, size, at);
    switch (text[at]) {
    case '"':
        end = document_string(text, size, at, &escaped);
        if (escaped)
            normal_string(text, at, end, out);
        else
            buffer_add(out, text + at, end - at);
        return end;
    case '[':
        buffer_add(out, "[", 1);
        at = document_space(text, size, at + 1);
        while (text[at] != ']') {
            if (!(at = normal_value(text, size, at, out)))
                return 0;
            at = document_space(text, size, at);
            if (text[at] == ',') {
                buffer_add(out, ", ", 2);
                at = document_space(text, size, at + 1);
            }
        }
        buffer_add(out, "]", 1);
        return at + 1;
    case '{': {
        NormalMember members[NORMAL_MEMBERS];
        size_t count = 0;
        at = document_space(text, size, at + 1);
        while (text[at] != '}') {
            NormalMember member;
            end = document_string(text, size, at, &escaped);
            if (escaped || count == NORMAL_MEMBERS)
                return 0;
            member.key.start = text + at + 1;
            member.key.size = end - at - 2;
            member.value = document_space(text, size, document_space(text, size, end) + 1);
            at = document_space(text, size, normal_skip(text, size, member.value));
            size_t place = count++;
            for (; place; place--) {
                const DocumentKey *other = &members[place - 1].key;
                if (other->size < member.key.size ||
                    (other->size == member.key.size && memcmp(other->start, member.key.start, other->size) < 0))
                    break;
                members[place] = members[place - 1];
            }
            members[place] = member;
            if (text[at] == ',')
                at = document_space(text, size, at + 1);
        }
        buffer_add(out, "{", 1);
        for (size_t place = 0; place < count; place++) {
            if (place)
                buffer_add(out, ", ", 2);
            buffer_add(out, members[place].key.start - 1, members[place].key.size + 2);
            buffer_add(out, ": ", 2);
            if (!normal_value(text, size, members[place].value, out))
                return 0;
        }
        buffer_add(out, "}", 1);
        return at + 1;
    }
    case 't':
    case 'n':
    case 'f':
        end = at + (text[at] == 'f' ? 5 : 4);
        buffer_add(out, text + at, end - at);
        return end;
    default:
        return normal_number(text, size, at, out);
    }
}

#endif
