"""The values that catalogs consist of."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column of a SQLite table.

    :ivar declared: the declared type as written, possibly empty.
    :ivar default: the default's SQL text, or ``None``.
    :ivar key_position: 1-based position in the primary key, 0 if not part of it.
    :ivar generated: its value is computed by SQLite, by ``expression``.
    :ivar collation: how its text compares, in upper case: ``BINARY``, ``NOCASE``, ``RTRIM`` or one of an application.
    """

    name: str
    declared: str
    not_null: bool = False
    default: str | None = None
    key_position: int = 0
    generated: bool = False
    expression: str = ""
    collation: str = "BINARY"


@dataclass(frozen=True, slots=True)
class SourceCheck:
    """A CHECK constraint as it was written; ``name`` is empty where the declaration gives none."""

    name: str
    expression: str


@dataclass(frozen=True, slots=True)
class SourceIndex:
    """An index of a SQLite table.

    :ivar origin: ``c`` CREATE INDEX, ``u`` UNIQUE constraint, ``pk`` PRIMARY KEY.
    :ivar columns: column names; ``None`` stands for an expression.
    :ivar collations: collation of each column, e.g. ``BINARY`` or ``NOCASE``.
    :ivar parts: SQL of each part, where ``columns`` does not name them all.
    :ivar predicate: SQL of the WHERE of a partial index, or empty.
    """

    name: str
    unique: bool
    origin: str
    partial: bool
    columns: tuple[str | None, ...]
    collations: tuple[str, ...]
    descending: tuple[bool, ...]
    sql: str = ""
    parts: tuple[str, ...] = ()
    predicate: str = ""


@dataclass(frozen=True, slots=True)
class SourceForeignKey:
    """A declared foreign key; SQLite may never have enforced it.

    :ivar parent_columns: resolved to the parent's primary key where the declaration names none; empty if
        unknown.
    :ivar deferred: checked at the end of a transaction.
    """

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_update: str = "NO ACTION"
    on_delete: str = "NO ACTION"
    deferred: bool = False


@dataclass(frozen=True, slots=True)
class SourceTable:
    """An ordinary SQLite table.

    :ivar rowid: a name by which the rowid can be selected; empty for WITHOUT ROWID tables and where columns
        shadow it.
    :ivar rowid_alias: the INTEGER PRIMARY KEY column, or empty.
    :ivar sequence: high-water mark of AUTOINCREMENT, or ``None``.
    :ivar strict: a STRICT table.
    :ivar virtual: the rows of a virtual table, read through its module.
    :ivar readable: whether the text of its declaration could be read; if not, CHECKs and formulas are unknown.
    """

    name: str
    columns: tuple[SourceColumn, ...]
    primary_key: tuple[str, ...] = ()
    rowid: str = "rowid"
    rowid_alias: str = ""
    without_rowid: bool = False
    autoincrement: bool = False
    sequence: int | None = None
    indexes: tuple[SourceIndex, ...] = ()
    foreign_keys: tuple[SourceForeignKey, ...] = ()
    checks: tuple[SourceCheck, ...] = ()
    sql: str = ""
    strict: bool = False
    readable: bool = True
    virtual: bool = False

    def column(self, name: str) -> SourceColumn:
        """Return the column of that name, compared like SQLite does (ASCII case folded)."""
        return next(column for column in self.columns if column.name.lower() == name.lower())


@dataclass(frozen=True, slots=True)
class SourceObject:
    """Something that is no ordinary table: a view, a trigger, a virtual table."""

    kind: str
    name: str
    table: str
    sql: str


@dataclass(frozen=True, slots=True)
class SourceView:
    """A view.

    :ivar columns: names of its columns, as SQLite gives them.
    :ivar problem: what SQLite has against it, where it reads something that is gone; else empty.
    """

    name: str
    columns: tuple[str, ...]
    sql: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SourceVirtual:
    """A virtual table.

    :ivar module: name of the module in lower case; empty where it cannot be read, for the reason in ``problem``.
    :ivar content: of a full-text table: ``None`` its rows are its own, empty it keeps none, else the table that it
        indexes.
    :ivar searched: its columns, of a full-text table those that are indexed.
    :ivar stems: a full-text table that finds words by their English stem.
    :ivar shadows: the tables in which the module keeps its index.
    """

    name: str
    module: str
    sql: str
    content: str | None = None
    searched: tuple[str, ...] = ()
    stems: bool = False
    shadows: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class SourceCatalog:
    """Everything in one SQLite file.

    :ivar objects: all that is no ordinary table, views included.
    :ivar user_version: a number that the application keeps in the file's header, as is ``application_id``.
    """

    tables: tuple[SourceTable, ...]
    objects: tuple[SourceObject, ...] = ()
    user_version: int = 0
    application_id: int = 0
    views: tuple[SourceView, ...] = ()
    virtuals: tuple[SourceVirtual, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetType:
    """A PostgreSQL type, reduced to what casts and checks need.

    :ivar name: internal name of the base type (``int8``, ``varchar``, ``timestamptz``…); of a domain, the
        base's.
    :ivar sql: how to write it in SQL, e.g. ``character varying(160)``.
    :ivar kind: ``b`` base, ``e`` enum, ``d`` domain, as in ``pg_type.typtype``.
    :ivar length: characters of varchar(n) and char(n).
    :ivar precision: of numeric(p,s).
    :ivar scale: of numeric(p,s).
    """

    name: str
    sql: str
    kind: str = "b"
    length: int | None = None
    precision: int | None = None
    scale: int | None = None


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """A column of a PostgreSQL table.

    :ivar identity: `` `` none, ``a`` always, ``d`` by default.
    :ivar generated: computed by PostgreSQL; cannot be written.
    :ivar default: SQL text, or empty.
    :ivar expression: SQL of the formula of a generated column.
    """

    name: str
    type: TargetType
    not_null: bool = False
    default: str = ""
    identity: str = ""
    generated: bool = False
    expression: str = ""


@dataclass(frozen=True, slots=True)
class TargetUnique:
    """A primary key, unique constraint or unique index.

    :ivar expressions: SQL of each key part.
    :ivar columns: column names, when all parts are plain columns and it holds for all rows; else empty.
    :ivar used: every column that parts and predicate read.
    :ivar predicate: SQL of a partial index, or empty.
    """

    name: str
    expressions: tuple[str, ...]
    columns: tuple[str, ...]
    used: tuple[str, ...]
    primary: bool = False
    predicate: str = ""
    nulls_distinct: bool = True


@dataclass(frozen=True, slots=True)
class TargetCheck:
    """A CHECK constraint: its SQL and the columns it reads."""

    name: str
    expression: str
    used: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TargetForeignKey:
    """A foreign key of a PostgreSQL table.

    :ivar valid: every row of the table is known to have its parent.
    """

    name: str
    columns: tuple[str, ...]
    parent_schema: str
    parent: str
    parent_columns: tuple[str, ...]
    on_update: str = "NO ACTION"
    on_delete: str = "NO ACTION"
    deferrable: bool = False
    valid: bool = True


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key seen from the parent: who refers to it."""

    schema: str
    table: str
    columns: tuple[str, ...]
    parent_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TargetTable:
    """A PostgreSQL table, existing or planned.

    :ivar forced_rls: row level security applies to us too, so reads would be filtered.
    """

    schema: str
    name: str
    columns: tuple[TargetColumn, ...]
    uniques: tuple[TargetUnique, ...] = ()
    checks: tuple[TargetCheck, ...] = ()
    foreign_keys: tuple[TargetForeignKey, ...] = ()
    referenced_by: tuple[Reference, ...] = ()
    forced_rls: bool = False

    def find(self, name: str) -> TargetColumn | None:
        """Return the column of exactly that name, or ``None``."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True)
class TargetCatalog:
    """The tables of one schema of the target."""

    schema: str
    tables: tuple[TargetTable, ...] = field(default=())
    relations: frozenset[str] = frozenset()

    def find(self, name: str) -> TargetTable | None:
        """Return the table of exactly that name, or ``None``."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, TargetTable]:
        return {table.name: table for table in self.tables}
