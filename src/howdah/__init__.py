"""howdah: moves SQLite databases into PostgreSQL, verified row by row."""

__version__ = "0.1.0"
