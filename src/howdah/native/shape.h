/* Shapes of texts: which digits a text has does not matter, only where. */
#ifndef HOWDAH_SHAPE_H
#define HOWDAH_SHAPE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "text.h"

/* No ISO 8601 moment that is worth counting and no UUID is longer; longer texts are cut, by characters. */
#define SHAPE_LONGEST 48
#define SHAPE_SLOTS 128
/* Once so many different shapes are there, they are to be taken out before the next text comes. */
#define SHAPE_MOST 64

typedef struct {
    int64_t count;
    uint8_t size;
    uint8_t bytes[SHAPE_LONGEST];
} Shape;

/* A hash table with open addressing; a slot without a count is free. */
typedef struct {
    uint8_t alphabet[256]; /* what stands for a byte in a shape; 0: a text with it has none */
    Shape slots[SHAPE_SLOTS];
    int used;
} Shapes;

/* The bytes of a text up to its first NUL, and of at most so many characters, as SQLite's substr() counts them. */
static inline size_t text_cut(const uint8_t *text, size_t size, size_t most)
{
    size_t at = 0;
    while (at < size && text[at] && most--)
        if (text[at++] >= 0xC0)
            while (at < size && (text[at] & 0xC0) == 0x80)
                at++;
    return at;
}

/* The number of characters as SQLite's length() counts them: up to the first NUL, UTF-8 or not. */
static inline int64_t text_length(const uint8_t *text, size_t size)
{
    int64_t characters = 0;
    size_t at = 0;
    while (at < size && text[at]) {
        characters++;
        if (text[at++] >= 0xC0)
            while (at < size && (text[at] & 0xC0) == 0x80)
                at++;
    }
    return characters;
}

/* How many fractions in a text are finer than a microsecond: a digit other than 0 after six digits of one. */
static inline int64_t text_finer(const uint8_t *text, size_t size)
{
    int64_t found = 0;
    size_t at = 0;
    while (at < size) {
        uint8_t mark = text[at++];
        if (mark != '.' && mark != ',')
            continue;
        size_t first = at;
        int fine = 0;
        for (; at < size && is_digit(text[at]); at++)
            fine |= at - first >= 6 && text[at] != '0';
        found += fine;
    }
    return found;
}

/* Counts the shape of a text that is cut already. */
static inline void shape_add(Shapes *shapes, const uint8_t *text, size_t size)
{
    uint8_t bytes[SHAPE_LONGEST];
    /* More bytes than characters: not all of them are ASCII, which no alphabet goes beyond. */
    if (size > SHAPE_LONGEST)
        return;
    for (size_t at = 0; at < size; at++)
        if (!(bytes[at] = shapes->alphabet[text[at]]))
            return;
    size_t slot = XXH3_64bits(bytes, size) % SHAPE_SLOTS;
    while (shapes->slots[slot].count) {
        Shape *shape = &shapes->slots[slot];
        if (shape->size == size && !memcmp(shape->bytes, bytes, size)) {
            shape->count++;
            return;
        }
        slot = (slot + 1) % SHAPE_SLOTS;
    }
    shapes->slots[slot].count = 1;
    shapes->slots[slot].size = (uint8_t)size;
    memcpy(shapes->slots[slot].bytes, bytes, size);
    shapes->used++;
}

static inline void shapes_clear(Shapes *shapes)
{
    memset(shapes->slots, 0, sizeof shapes->slots);
    shapes->used = 0;
}

#endif
