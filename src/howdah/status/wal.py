"""Where the WAL is: in the archive, waiting for it, and how much of it the server keeps."""

from __future__ import annotations

import psycopg
from psycopg.rows import dict_row

from howdah.status.model import ArchiveStatus

# What waits is what the server marked as ready; a segment is complete from then on, so the mark's age is how much a
# restore would miss.
_ASKED = """
    WITH waiting AS (
      SELECT segment.size, mark.modification
      FROM pg_catalog.pg_ls_archive_statusdir() AS mark
      JOIN pg_catalog.pg_ls_waldir() AS segment ON mark.name = segment.name || '.ready'
    )
    SELECT archived_count AS archived, failed_count AS failed,
           coalesce(to_char(last_archived_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '')
             AS last_archived_at,
           coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false)
             OR current_setting('archive_mode') = 'off' OR current_setting('archive_command') = '' AS failing,
           (SELECT count(*) FROM waiting) AS waiting,
           (SELECT coalesce(sum(size), 0)::bigint FROM waiting) AS waiting_size,
           (SELECT coalesce(greatest(0, extract(epoch FROM clock_timestamp() - min(modification))), 0)::int
            FROM waiting) AS waiting_seconds,
           (SELECT coalesce(sum(size), 0)::bigint FROM pg_catalog.pg_ls_waldir()) AS wal_size,
           pg_catalog.pg_size_bytes(current_setting('max_wal_size')) AS wal_limit
    FROM pg_catalog.pg_stat_archiver"""


def ask(connection: psycopg.Connection) -> ArchiveStatus:
    """Ask the server about its WAL; the connection is the administrator's."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_ASKED).fetchone()
    return ArchiveStatus(**(row or {}))
