"""The only SQL: tables, transactions, and the reads and writes of every aggregate, on PostgreSQL and SQLite."""
