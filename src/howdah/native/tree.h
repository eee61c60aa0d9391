/* The rows of a table with rowids, straight from the pages of a file that nobody writes.
 *
 * Reads what is usual and says of everything else that it is unknown: SQLite itself then reads the table, or says what
 * is wrong with it. The layout: https://www.sqlite.org/fileformat2.html, sections 1.5, 1.6 and 2.1. */
#ifndef HOWDAH_TREE_H
#define HOWDAH_TREE_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "source.h"

/* SQLite's own limit for the depth of a tree. */
#define TREE_DEPTH 20
/* Bytes that are read at once where pages follow each other. */
#define TREE_WINDOW 65536

enum { TREE_ROW, TREE_END, TREE_UNKNOWN };
/* What becomes of a stored value. */
enum { COLUMN_PLAIN, COLUMN_REAL, COLUMN_ROWID };

typedef struct {
    uint8_t *page;
    int cells, next;
} Level;

typedef struct {
    int file;
    uint32_t page_size, usable, pages, window_pages;
    Level levels[TREE_DEPTH]; /* interior pages, the root first */
    int depth;
    uint8_t *window; /* of pages from window_first on */
    uint32_t window_first, window_count;
    const uint8_t *leaf;
    int cells, next;
    uint32_t leaves;
    uint8_t *overflow;
    Buffer payload;
    int64_t last;
    int started, any;
} Tree;

static inline uint32_t tree_16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static inline uint32_t tree_32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Reads a variable-length integer; returns where it ends, or NULL where that is behind the end. */
static inline const uint8_t *tree_varint(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    uint64_t made = 0;
    for (int number = 0; number < 9 && at < end; number++) {
        uint8_t byte = *at++;
        if (number == 8) {
            *value = made << 8 | byte;
            return at;
        }
        made = made << 7 | (byte & 0x7f);
        if (byte < 0x80) {
            *value = made;
            return at;
        }
    }
    return NULL;
}

static inline void tree_close(Tree *tree)
{
    for (int level = 0; level < TREE_DEPTH; level++)
        free(tree->levels[level].page);
    free(tree->window);
    free(tree->overflow);
    buffer_free(&tree->payload);
    memset(tree, 0, sizeof *tree);
}

static inline int tree_pages(const Tree *tree, uint32_t first, uint32_t count, uint8_t *into)
{
    size_t size = (size_t)count * tree->page_size, done = 0;
    off_t from = (off_t)(first - 1) * tree->page_size;
    if (first < 2 || first > tree->pages || count > tree->pages - first + 1)
        return 0;
    while (done < size) {
        ssize_t more = pread(tree->file, into + done, size - done, from + (off_t)done);
        if (more <= 0)
            return 0;
        done += (size_t)more;
    }
    return 1;
}

/* Opens the tree whose root is a page; returns whether there is such a file, and memory for it. */
static inline int tree_open(Tree *tree, int file, uint32_t page_size, uint32_t usable, uint32_t pages)
{
    tree->file = file;
    tree->page_size = page_size;
    tree->usable = usable;
    tree->pages = pages;
    tree->window_pages = page_size < TREE_WINDOW ? TREE_WINDOW / page_size : 1;
    tree->window = malloc((size_t)tree->window_pages * page_size);
    tree->overflow = malloc(page_size);
    return usable >= 480 && usable <= page_size && tree->window && tree->overflow;
}

/* Returns a page that stays until the next call; some behind it are read, too, where pages followed each other. */
static inline const uint8_t *tree_through(Tree *tree, uint32_t page)
{
    uint32_t end = tree->window_first + tree->window_count;
    if (page < tree->window_first || page >= end) {
        uint32_t count = page >= end && page - end < 4 ? tree->window_pages : 1;
        if (page && page <= tree->pages && count > tree->pages - page + 1)
            count = tree->pages - page + 1;
        tree->window_count = 0;
        if (!tree_pages(tree, page, count, tree->window))
            return NULL;
        tree->window_first = page;
        tree->window_count = count;
    }
    return tree->window + (size_t)(page - tree->window_first) * tree->page_size;
}

/* Goes down from a page to its first leaf; returns whether all pages on the way are what they must be. */
static inline int tree_down(Tree *tree, uint32_t page)
{
    for (;;) {
        const uint8_t *found = tree_through(tree, page);
        if (!found)
            return 0;
        int cells = (int)tree_16(found + 3), head = found[0] == 5 ? 12 : 8;
        if ((found[0] != 5 && found[0] != 13) || head + 2 * (uint32_t)cells > tree->usable)
            return 0;
        if (found[0] == 13) {
            tree->leaf = found;
            tree->cells = cells;
            tree->next = 0;
            return ++tree->leaves <= tree->pages;
        }
        if (tree->depth == TREE_DEPTH)
            return 0;
        Level *level = &tree->levels[tree->depth++];
        if (!level->page && !(level->page = malloc(tree->page_size)))
            return 0;
        memcpy(level->page, found, tree->page_size);
        level->cells = cells;
        level->next = 1;
        uint32_t at = cells ? tree_16(level->page + 12) : 8;
        if (at + 4 > tree->usable)
            return 0;
        page = tree_32(level->page + at);
    }
}

/* Goes to the next leaf. */
static inline int tree_onwards(Tree *tree)
{
    while (tree->depth) {
        Level *level = &tree->levels[tree->depth - 1];
        if (level->next > level->cells) {
            tree->depth--;
            continue;
        }
        /* The last child is in the head of the page. */
        uint32_t at = level->next < level->cells ? tree_16(level->page + 12 + 2 * level->next) : 8;
        level->next++;
        return at + 4 <= tree->usable && tree_down(tree, tree_32(level->page + at)) ? TREE_ROW : TREE_UNKNOWN;
    }
    return TREE_END;
}

/* Puts a row together whose end lies on overflow pages. */
static inline const uint8_t *tree_gathered(Tree *tree, const uint8_t *local, uint32_t size, uint64_t whole)
{
    uint32_t page = tree_32(local + size);
    tree->payload.size = 0;
    if (whole > (uint64_t)tree->pages * tree->usable)
        return NULL;
    buffer_add(&tree->payload, local, size);
    while (tree->payload.size < whole) {
        uint64_t left = whole - tree->payload.size, most = tree->usable - 4;
        if (!tree_pages(tree, page, 1, tree->overflow))
            return NULL;
        buffer_add(&tree->payload, tree->overflow + 4, left < most ? left : most);
        if (tree->payload.failed)
            return NULL;
        page = tree_32(tree->overflow);
    }
    return tree->payload.data;
}

/* Gives the next row's record, which stays until the next call. */
static inline int tree_next(Tree *tree, uint32_t root, int64_t *rowid, const uint8_t **record, uint64_t *size)
{
    const uint8_t *at, *end;
    uint64_t key, local;
    if (!tree->started) {
        tree->started = 1;
        if (!tree_down(tree, root))
            return TREE_UNKNOWN;
    } else if (!tree->leaf) {
        return TREE_END;
    }
    while (tree->next == tree->cells) {
        int result = tree_onwards(tree);
        if (result != TREE_ROW) {
            tree->leaf = NULL;
            return result;
        }
    }
    end = tree->leaf + tree->usable;
    at = tree->leaf + tree_16(tree->leaf + 8 + 2 * tree->next++);
    if (at >= end || !(at = tree_varint(at, end, size)) || !(at = tree_varint(at, end, &key)))
        return TREE_UNKNOWN;
    *rowid = (int64_t)key;
    if (tree->any && *rowid <= tree->last)
        return TREE_UNKNOWN;
    tree->last = *rowid;
    tree->any = 1;
    local = *size;
    if (local > tree->usable - 35) {
        uint64_t least = (tree->usable - 12) * 32 / 255 - 23;
        local = least + (*size - least) % (tree->usable - 4);
        if (local > tree->usable - 35)
            local = least;
        if (local + 4 > (uint64_t)(end - at) || !(*record = tree_gathered(tree, at, (uint32_t)local, *size)))
            return TREE_UNKNOWN;
        return TREE_ROW;
    }
    if (local > (uint64_t)(end - at))
        return TREE_UNKNOWN;
    *record = at;
    return TREE_ROW;
}

static inline int64_t tree_integer(const uint8_t *at, int bytes)
{
    uint64_t value = at[0] & 0x80 ? UINT64_MAX : 0;
    for (int number = 0; number < bytes; number++)
        value = value << 8 | at[number];
    return (int64_t)value;
}

/* Reads a record's values, which stay as long as the record; returns whether it holds one for each column, of a kind
 * that is known, and nothing else. */
static inline int tree_values(
    const uint8_t *record, uint64_t size, int64_t rowid, const uint8_t *columns, int count, Value *values
)
{
    static const uint8_t sizes[] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0};
    const uint8_t *end = record + size, *types, *body;
    uint64_t head, type;
    if (!(types = tree_varint(record, end, &head)) || head > size)
        return 0;
    body = record + head;
    for (int column = 0; column < count; column++) {
        Value *value = &values[column];
        if (!(types = tree_varint(types, record + head, &type)) || type == 10 || type == 11)
            return 0;
        uint64_t bytes = type < 12 ? sizes[type] : (type - 12) / 2;
        if (bytes > (uint64_t)(end - body))
            return 0;
        value->type = SQLITE_NULL;
        if (columns[column] == COLUMN_ROWID) {
            value->type = SQLITE_INTEGER;
            value->integer = rowid;
        } else if (type >= 12) {
            value->type = type & 1 ? SQLITE_TEXT : SQLITE_BLOB;
            value->bytes = body;
            value->size = bytes;
        } else if (type == 7) {
            uint64_t bits = (uint64_t)tree_integer(body, 8);
            memcpy(&value->real, &bits, 8);
            /* As SQLite has it, there is no such number. */
            value->type = isnan(value->real) ? SQLITE_NULL : SQLITE_FLOAT;
        } else if (type) {
            value->type = SQLITE_INTEGER;
            value->integer = type >= 8 ? (int64_t)type - 8 : tree_integer(body, (int)bytes);
            if (columns[column] == COLUMN_REAL) {
                value->type = SQLITE_FLOAT;
                value->real = (double)value->integer;
            }
        }
        body += bytes;
    }
    return types == record + head && body == end;
}

#endif
