/* Bytes that grow. A failed one has lost what could not be allocated, and takes no more. */
#ifndef HOWDAH_BUFFER_H
#define HOWDAH_BUFFER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint8_t *data;
    size_t size;
    size_t capacity;
    int failed;
} Buffer;

static inline int buffer_reserve(Buffer *buffer, size_t more)
{
    if (buffer->capacity - buffer->size >= more)
        return 1;
    size_t wanted = buffer->capacity ? 2 * buffer->capacity : 1024;
    if (wanted < buffer->size + more)
        wanted = buffer->size + more;
    uint8_t *data = realloc(buffer->data, wanted);
    if (!data) {
        buffer->failed = 1;
        return 0;
    }
    buffer->data = data;
    buffer->capacity = wanted;
    return 1;
}

static inline void buffer_add(Buffer *buffer, const void *bytes, size_t size)
{
    if (size && buffer_reserve(buffer, size)) {
        memcpy(buffer->data + buffer->size, bytes, size);
        buffer->size += size;
    }
}

static inline void buffer_add16(Buffer *buffer, uint16_t value)
{
    value = __builtin_bswap16(value);
    buffer_add(buffer, &value, sizeof value);
}

static inline void buffer_add32(Buffer *buffer, uint32_t value)
{
    value = __builtin_bswap32(value);
    buffer_add(buffer, &value, sizeof value);
}

static inline void buffer_add64(Buffer *buffer, uint64_t value)
{
    value = __builtin_bswap64(value);
    buffer_add(buffer, &value, sizeof value);
}

static inline void buffer_free(Buffer *buffer)
{
    free(buffer->data);
    memset(buffer, 0, sizeof *buffer);
}

#endif
