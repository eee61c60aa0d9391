from libc.stdint cimport int64_t


cdef extern from "source.h" nogil:
    ctypedef struct Value:
        int type
        int64_t integer
        double real
        size_t size
