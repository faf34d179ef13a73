-- What schema.sql has only for SQLite (triggers and the full-text index), and functions that the shared statements
-- need.

-- Returns the position of a text in another, from 1, or 0 if it does not occur. SQLite has this function built in.
CREATE FUNCTION instr(whole TEXT, part TEXT) RETURNS BIGINT LANGUAGE SQL IMMUTABLE
    AS $$ SELECT CAST(strpos(whole, part) AS BIGINT) $$;

CREATE FUNCTION analyses_removed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE analyses SET follows = old.follows WHERE follows <> '' AND follows = old.id AND thread = old.thread;
    DELETE FROM threads
    WHERE id = old.thread AND NOT EXISTS (SELECT 1 FROM analyses WHERE thread = old.thread);
    RETURN NULL;
END $$;
CREATE TRIGGER analyses_removed AFTER DELETE ON analyses
    FOR EACH ROW WHEN (old.thread <> '') EXECUTE FUNCTION analyses_removed();

CREATE FUNCTION projects_removed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE threads SET project = '' WHERE project <> '' AND project = old.id;
    RETURN NULL;
END $$;
CREATE TRIGGER projects_removed AFTER DELETE ON projects
    FOR EACH ROW EXECUTE FUNCTION projects_removed();

-- The folded words of a row's text columns, in the order of the columns. They are in separate tables so that the shared
-- statements never read or write them.
CREATE TABLE passage_words (
    id    BIGINT   NOT NULL PRIMARY KEY REFERENCES passages (id) ON DELETE CASCADE,
    words tsvector NOT NULL
);
CREATE INDEX passage_words_words ON passage_words USING gin (words);

CREATE TABLE turn_words (
    id      BIGINT   NOT NULL PRIMARY KEY REFERENCES turn_texts (id) ON DELETE CASCADE,
    user_id TEXT     COLLATE "C" NOT NULL,
    words   tsvector NOT NULL
);
CREATE INDEX turn_words_words ON turn_words USING gin (words);
CREATE INDEX turn_words_user ON turn_words (user_id);
