-- What only several servers on one database need; nothing of it exists in SQLite.

-- The database's clock in milliseconds, also within a transaction: servers' clocks may differ.
CREATE FUNCTION quire_now() RETURNS BIGINT LANGUAGE SQL VOLATILE
    AS $$ SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) $$;

-- A server counts as alive until `until`. `boot` is random, and the same until its process ends.
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

-- What each server has reserved of the budgets of a person or an API key, for calls that are not recorded yet. Ends
-- with the server.
CREATE TABLE reservations (
    owner  TEXT COLLATE "C" NOT NULL,
    server TEXT COLLATE "C" NOT NULL REFERENCES servers (boot) ON DELETE CASCADE,
    cost   BIGINT NOT NULL,
    tokens BIGINT NOT NULL,
    PRIMARY KEY (owner, server)
);
CREATE INDEX reservations_server ON reservations (server);

-- The original files of documents in pieces, so that every server can read them. Written before their document's row,
-- hence without a reference to it.
CREATE TABLE document_bytes (
    document_id TEXT COLLATE "C" NOT NULL,
    piece       BIGINT NOT NULL,
    bytes       BYTEA  NOT NULL,
    stored      BIGINT NOT NULL DEFAULT quire_now(),
    PRIMARY KEY (document_id, piece)
);
-- Most files are compressed already.
ALTER TABLE document_bytes ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE FUNCTION document_bytes_removed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM document_bytes WHERE document_id = old.id;
    RETURN NULL;
END $$;
CREATE TRIGGER document_bytes_removed AFTER DELETE ON documents
    FOR EACH ROW EXECUTE FUNCTION document_bytes_removed();
