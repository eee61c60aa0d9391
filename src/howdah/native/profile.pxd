from libc.stdint cimport int64_t, uint8_t

from howdah.native.source cimport Value


cdef extern from "shape.h" nogil:
    ctypedef struct Shape:
        int64_t count
        uint8_t size
        uint8_t *bytes
    ctypedef struct Shapes:
        uint8_t *alphabet
        Shape *slots
        int used
    int SHAPE_SLOTS
    void shapes_clear(Shapes *shapes)


cdef extern from "tally.h" nogil:
    ctypedef struct Tally:
        int64_t *counts
        Value smallest, largest
        int measured, booleans, timely
        int64_t longest, truths, words, finer
        Shapes *shapes


cdef class Counts:
    cdef readonly str sql
    cdef Tally _tally
    cdef object _shaped

    cdef _hand_over(self)
