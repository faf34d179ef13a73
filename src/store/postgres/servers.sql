-- What only several servers on one database need. None of it exists in SQLite.

-- Returns the time of the database's clock in milliseconds, which advances within a transaction too. It is used because
-- the clocks of servers may differ.
CREATE FUNCTION quire_now() RETURNS BIGINT LANGUAGE SQL VOLATILE
    AS $$ SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) $$;

-- A server counts as alive until `until`. `boot` is a random ID of the server's process.
CREATE TABLE servers (
    boot    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    started BIGINT NOT NULL,
    until   BIGINT NOT NULL
);

-- What only one server may do at a time, such as driving a run (named by its ID) or housekeeping. `number` increases
-- whenever the lease passes to another server, so that a write by the previous server is recognized. `server` is empty
-- if no server has the lease.
CREATE TABLE leases (
    name   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    server TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL
);

-- Commands for a run from servers that do not drive it. They are kept until the run ends.
CREATE TABLE run_commands (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    analysis_id TEXT COLLATE "C" NOT NULL REFERENCES analyses (id) ON DELETE CASCADE,
    command     TEXT COLLATE "C" NOT NULL,
    argument    TEXT COLLATE "C" NOT NULL,
    UNIQUE (analysis_id, command, argument)
);

-- What each server has reserved of the budgets of users and API keys for calls that are not recorded yet. A server's
-- reservations are deleted with its row.
CREATE TABLE reservations (
    owner  TEXT COLLATE "C" NOT NULL,
    server TEXT COLLATE "C" NOT NULL REFERENCES servers (boot) ON DELETE CASCADE,
    cost   BIGINT NOT NULL,
    tokens BIGINT NOT NULL,
    PRIMARY KEY (owner, server)
);
CREATE INDEX reservations_server ON reservations (server);

-- The original files of documents in pieces, so that every server can read them. They are written before their
-- document's row, so they cannot refer to it.
CREATE TABLE document_bytes (
    document_id TEXT COLLATE "C" NOT NULL,
    piece       BIGINT NOT NULL,
    bytes       BYTEA  NOT NULL,
    stored      BIGINT NOT NULL DEFAULT quire_now(),
    PRIMARY KEY (document_id, piece)
);
-- Most files are already compressed.
ALTER TABLE document_bytes ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE FUNCTION document_bytes_removed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM document_bytes WHERE document_id = old.id;
    RETURN NULL;
END $$;
CREATE TRIGGER document_bytes_removed AFTER DELETE ON documents
    FOR EACH ROW EXECUTE FUNCTION document_bytes_removed();
