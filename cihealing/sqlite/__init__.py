"""SQLite with connections that are kept: `ENGINE` of the settings, where the database is a file."""
