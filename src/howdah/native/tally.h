/* What the values of one column are, counted while the rows go by. */
#ifndef HOWDAH_TALLY_H
#define HOWDAH_TALLY_H

#include <sqlite3.h>
#include <stdint.h>

#include "shape.h"
#include "source.h"

typedef struct {
    int64_t counts[SQLITE_NULL + 1]; /* by storage class: SQLITE_INTEGER… */
    Value smallest, largest;         /* numbers; type 0: there is none */
    int measured, booleans, timely;  /* whether longest, truths and words, finer are asked for */
    int64_t longest, truths, words, finer;
    Shapes *shapes; /* NULL: not asked for */
} Tally;

/* Compares two numbers exactly, as SQLite does: no integer is made a double where that is inexact. */
static inline int number_compare(const Value *left, const Value *right)
{
    if (left->type == SQLITE_INTEGER && right->type == SQLITE_INTEGER)
        return (left->integer > right->integer) - (left->integer < right->integer);
    if (left->type == SQLITE_FLOAT && right->type == SQLITE_FLOAT)
        return (left->real > right->real) - (left->real < right->real);
    if (left->type == SQLITE_FLOAT)
        return -number_compare(right, left);
    if (right->real < -0x1p63)
        return 1;
    if (right->real >= 0x1p63)
        return -1;
    int64_t whole = (int64_t)right->real;
    if (left->integer != whole)
        return left->integer > whole ? 1 : -1;
    /* An integer that has a fraction beside it is below 2^53: a double holds it. */
    double real = (double)left->integer;
    return (real > right->real) - (real < right->real);
}

static inline void tally_number(Tally *tally, const Value *value)
{
    if (!tally->smallest.type) {
        tally->smallest = tally->largest = *value;
        return;
    }
    /* Of equal ones the first stays, as with SQLite's min() and max(). */
    if (number_compare(value, &tally->smallest) < 0)
        tally->smallest = *value;
    else if (number_compare(value, &tally->largest) > 0)
        tally->largest = *value;
}

static inline void tally_text(Tally *tally, const Value *value)
{
    if (tally->measured && (int64_t)value->size > tally->longest) {
        int64_t characters = text_length(value->bytes, value->size);
        if (characters > tally->longest)
            tally->longest = characters;
    }
    if (tally->booleans)
        tally->words += text_truth(value->bytes, value->size) >= 0;
    if (tally->timely || tally->shapes) {
        size_t size = text_cut(value->bytes, value->size, SHAPE_LONGEST);
        if (tally->timely)
            tally->finer += text_finer(value->bytes, size);
        if (tally->shapes)
            shape_add(tally->shapes, value->bytes, size);
    }
}

/* Whether texts are looked at: they are not even touched where nothing is asked of them. */
static inline int tally_reads(const Tally *tally)
{
    return tally->measured || tally->booleans || tally->timely || tally->shapes;
}

/* Takes in the value of one row. */
static inline void tally_value(Tally *tally, const Value *value)
{
    tally->counts[value->type]++;
    switch (value->type) {
    case SQLITE_INTEGER:
        tally_number(tally, value);
        tally->truths += tally->booleans && (value->integer == 0 || value->integer == 1);
        break;
    case SQLITE_FLOAT:
        tally_number(tally, value);
        break;
    case SQLITE_TEXT:
        if (tally_reads(tally))
            tally_text(tally, value);
        break;
    }
}

/* Takes in the same as a function's argument. */
static inline void tally_add(Tally *tally, sqlite3_value *argument)
{
    Value value;
    value.type = sqlite3_value_type(argument);
    if (value.type == SQLITE_INTEGER || value.type == SQLITE_FLOAT || (value.type == SQLITE_TEXT && tally_reads(tally))) {
        value_of(argument, &value);
        tally_value(tally, &value);
    } else {
        tally->counts[value.type]++;
    }
}

/* Whether shapes are to be taken out before the next row. */
static inline int tally_full(const Tally *tally)
{
    return tally->shapes && tally->shapes->used >= SHAPE_MOST;
}

#endif
