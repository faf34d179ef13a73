-- What only several servers on one database need; nothing of it exists in SQLite.

-- The database's clock in milliseconds, also within a transaction: servers' clocks may differ.
CREATE FUNCTION quire_now() RETURNS BIGINT LANGUAGE SQL VOLATILE
    AS $$ SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) $$;

-- A server counts as alive until `until`. `boot` is random, and never used again after that.
CREATE TABLE servers (
    boot    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    started BIGINT NOT NULL,
    until   BIGINT NOT NULL
);

-- What only one server may do at a time: drive a run, by its ID, or clean up. `number` increases whenever it passes to
-- another server, so that a write of the earlier one is recognized. The server is empty if there is none.
CREATE TABLE leases (
    name   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    server TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL
);

-- Commands for a run from servers that do not drive it, kept until it ends.
CREATE TABLE run_commands (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    analysis_id TEXT COLLATE "C" NOT NULL REFERENCES analyses (id) ON DELETE CASCADE,
    command     TEXT COLLATE "C" NOT NULL,
    argument    TEXT COLLATE "C" NOT NULL,
    UNIQUE (analysis_id, command, argument)
);
