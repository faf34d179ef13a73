-- The parts of unfinished uploads in pieces, so that every server can receive any part and join all of them.
CREATE TABLE upload_bytes (
    upload_id TEXT COLLATE "C" NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    part      BIGINT NOT NULL,
    piece     BIGINT NOT NULL,
    bytes     BYTEA  NOT NULL,
    PRIMARY KEY (upload_id, part, piece)
);
-- Most files are already compressed.
ALTER TABLE upload_bytes ALTER COLUMN bytes SET STORAGE EXTERNAL;
