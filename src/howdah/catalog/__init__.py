"""Tables, columns, keys and indexes of a source or of the target, as plain values."""
