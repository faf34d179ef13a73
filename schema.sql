-- The current schema. A new database is created from this file; an older one is migrated by the steps in
-- src/store/sqlite/migrate.rs, and tests/schema.rs proves that both ways give the same result. PostgreSQL gets its
-- tables and indexes too, translated by src/store/postgres/schema.rs.
--
-- IDs are ULIDs with a prefix: text that sorts by time. Times are milliseconds since 1970, 0 for none. Money is in
-- micro-dollars. Only SQL that SQLite and PostgreSQL share is used, except STRICT, WITHOUT ROWID, and the full-text
-- search at the end.

-- `recipe` is the ID of the recipe that fills unspecified fields of this user's requests.
CREATE TABLE users (
    id            TEXT    NOT NULL PRIMARY KEY,
    email         TEXT    NOT NULL UNIQUE,
    name          TEXT    NOT NULL DEFAULT '',
    password_hash TEXT    NOT NULL DEFAULT '',
    role          TEXT    NOT NULL DEFAULT 'user',
    disabled      INTEGER NOT NULL DEFAULT 0,
    created       INTEGER NOT NULL,
    last_login    INTEGER NOT NULL DEFAULT 0,
    recipe        TEXT    NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE sessions (
    id            TEXT    NOT NULL PRIMARY KEY,
    user_id       TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    refresh_hash  BLOB    NOT NULL UNIQUE,
    previous_hash BLOB,
    replaced      INTEGER NOT NULL DEFAULT 0,
    created       INTEGER NOT NULL,
    expires       INTEGER NOT NULL,
    revoked       INTEGER NOT NULL DEFAULT 0,
    client        TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_previous ON sessions (previous_hash) WHERE previous_hash IS NOT NULL;
CREATE INDEX sessions_expires ON sessions (expires);

-- The networks from which a user signed in most recently: failed attempts of others do not block them.
CREATE TABLE sign_in_networks (
    user_id TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    network TEXT    NOT NULL,
    last    INTEGER NOT NULL,
    PRIMARY KEY (user_id, network)
) STRICT, WITHOUT ROWID;

-- One row per user: the request, and the hash of the link's token once an admin has created the link.
CREATE TABLE password_resets (
    user_id   TEXT    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    requested INTEGER NOT NULL,
    hash      BLOB    UNIQUE,
    expires   INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE invites (
    hash    BLOB    NOT NULL PRIMARY KEY,
    email   TEXT    NOT NULL DEFAULT '',
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT;

-- `models` are the IDs that a key may use, empty for all; -1 is no limit.
CREATE TABLE api_keys (
    id        TEXT    NOT NULL PRIMARY KEY,
    user_id   TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name      TEXT    NOT NULL DEFAULT '',
    prefix    TEXT    NOT NULL DEFAULT '',
    hash      BLOB    NOT NULL UNIQUE,
    scopes    TEXT    NOT NULL DEFAULT '[]',
    created   INTEGER NOT NULL,
    last_used INTEGER NOT NULL DEFAULT 0,
    expires   INTEGER NOT NULL DEFAULT 0,
    models    TEXT    NOT NULL DEFAULT '[]',
    day_cost  INTEGER NOT NULL DEFAULT -1,
    all_cost  INTEGER NOT NULL DEFAULT -1
) STRICT;
CREATE INDEX api_keys_user ON api_keys (user_id, id);

-- Usage of each key per day.
CREATE TABLE key_usage (
    key_id TEXT    NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    day    INTEGER NOT NULL,
    calls  INTEGER NOT NULL DEFAULT 0,
    tokens INTEGER NOT NULL DEFAULT 0,
    cost   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (key_id, day)
) STRICT, WITHOUT ROWID;

-- Responses kept for a day, for clients that repeat a request with the same idempotency key. Status 0: in progress.
CREATE TABLE idempotency (
    user_id TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    key     TEXT    NOT NULL,
    request BLOB    NOT NULL,
    status  INTEGER NOT NULL DEFAULT 0,
    headers TEXT    NOT NULL DEFAULT '[]',
    body    BLOB    NOT NULL DEFAULT x'',
    created INTEGER NOT NULL,
    PRIMARY KEY (user_id, key)
) STRICT;
CREATE INDEX idempotency_created ON idempotency (created);

-- No reference to users: entries remain after the account is deleted.
CREATE TABLE audit (
    id      INTEGER NOT NULL PRIMARY KEY,
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL DEFAULT '',
    action  TEXT    NOT NULL,
    target  TEXT    NOT NULL DEFAULT '',
    address TEXT    NOT NULL DEFAULT '',
    detail  TEXT    NOT NULL DEFAULT ''
) STRICT;

-- `gaps` are the pages without text and the reasons, `flags` suspected prompt injections: both JSON.
CREATE TABLE documents (
    id           TEXT    NOT NULL PRIMARY KEY,
    user_id      TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    content_type TEXT    NOT NULL DEFAULT '',
    kind         TEXT    NOT NULL DEFAULT '',
    size         INTEGER NOT NULL DEFAULT 0,
    sha256       TEXT    NOT NULL,
    status       TEXT    NOT NULL DEFAULT 'processing',
    message      TEXT    NOT NULL DEFAULT '',
    pages        INTEGER NOT NULL DEFAULT 0,
    words        INTEGER NOT NULL DEFAULT 0,
    created      INTEGER NOT NULL,
    encoding     TEXT    NOT NULL DEFAULT '',
    gaps         TEXT    NOT NULL DEFAULT '[]',
    flags        TEXT    NOT NULL DEFAULT '[]',
    UNIQUE (user_id, sha256)
) STRICT;
CREATE INDEX documents_user ON documents (user_id, id);
CREATE INDEX documents_open ON documents (id) WHERE status = 'processing';

CREATE TABLE document_pages (
    document_id TEXT    NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    page        INTEGER NOT NULL,
    text        TEXT    NOT NULL DEFAULT '',
    title       TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (document_id, page)
) STRICT;

-- The full-text index refers to the integer key, which must survive VACUUM, so it is declared. `terms` are search
-- terms that the index would not find in the text: pairs of ideographs, parts of identifiers.
CREATE TABLE passages (
    id          INTEGER NOT NULL PRIMARY KEY,
    user_id     TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    document_id TEXT    NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    ordinal     INTEGER NOT NULL,
    page        INTEGER NOT NULL DEFAULT 1,
    start_byte  INTEGER NOT NULL DEFAULT 0,
    end_byte    INTEGER NOT NULL DEFAULT 0,
    heading     TEXT    NOT NULL DEFAULT '',
    text        TEXT    NOT NULL,
    terms       TEXT    NOT NULL DEFAULT '',
    UNIQUE (document_id, ordinal)
) STRICT;
CREATE INDEX passages_user ON passages (user_id);

-- The embedding model with which passages are ranked by meaning, for users who chose one.
CREATE TABLE meaning_search (
    user_id TEXT    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    model   TEXT    NOT NULL,
    chosen  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Vector of a passage by a provider's model: 32-bit floats, little-endian, of length 1; empty if the model refused it.
CREATE TABLE passage_vectors (
    passage_id INTEGER NOT NULL REFERENCES passages (id) ON DELETE CASCADE,
    model      TEXT    NOT NULL,
    vector     BLOB    NOT NULL,
    PRIMARY KEY (passage_id, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE uploads (
    id           TEXT    NOT NULL PRIMARY KEY,
    user_id      TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    file_name    TEXT    NOT NULL,
    size         INTEGER NOT NULL,
    chunk_size   INTEGER NOT NULL,
    total_chunks INTEGER NOT NULL,
    created      INTEGER NOT NULL,
    expires      INTEGER NOT NULL
) STRICT;
CREATE INDEX uploads_user ON uploads (user_id);
CREATE INDEX uploads_expires ON uploads (expires);

CREATE TABLE upload_parts (
    upload_id TEXT    NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    part      INTEGER NOT NULL,
    size      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (upload_id, part)
) STRICT, WITHOUT ROWID;

-- No user: created without an account. `findings` is what the members agreed and disagreed on, and `citations` the
-- result of checking citations and quotations, both JSON, written at the end; `parent` is the analysis that this one
-- reruns with a change; `origin` is set if it was not created from the history: an experiment's ID, or `call` for a
-- question passed through to a single model. Such analyses are not in the history; the latter are kept for a day.
CREATE TABLE analyses (
    id          TEXT    NOT NULL PRIMARY KEY,
    user_id     TEXT    REFERENCES users (id) ON DELETE CASCADE,
    status      TEXT    NOT NULL DEFAULT 'queued',
    pattern     TEXT    NOT NULL DEFAULT '',
    question    TEXT    NOT NULL DEFAULT '',
    request     TEXT    NOT NULL,
    plan        TEXT    NOT NULL,
    synthesis   TEXT    NOT NULL DEFAULT '',
    error       TEXT    NOT NULL DEFAULT '',
    usage       TEXT    NOT NULL DEFAULT '{"input":0,"output":0}',
    cost        INTEGER NOT NULL DEFAULT 0,
    created     INTEGER NOT NULL,
    started     INTEGER NOT NULL DEFAULT 0,
    finished    INTEGER NOT NULL DEFAULT 0,
    share_hash  BLOB,
    findings    TEXT    NOT NULL DEFAULT '',
    topic       TEXT    NOT NULL DEFAULT '',
    parent      TEXT    NOT NULL DEFAULT '',
    citations   TEXT    NOT NULL DEFAULT '',
    origin      TEXT    NOT NULL DEFAULT '',
    -- Case-folded for every script (domain::case); SQLite folds only ASCII.
    question_folded TEXT NOT NULL DEFAULT '',
    topic_folded    TEXT NOT NULL DEFAULT '',
    -- Its thread, empty outside the history, and the analysis that it follows in it, empty at the beginning.
    thread  TEXT NOT NULL DEFAULT '',
    follows TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX analyses_user ON analyses (user_id, id);
CREATE INDEX analyses_thread ON analyses (thread, id);
CREATE INDEX analyses_follows ON analyses (follows) WHERE follows <> '';
CREATE INDEX analyses_origin ON analyses (origin, id) WHERE origin <> '';
CREATE INDEX analyses_open ON analyses (id) WHERE finished = 0;
CREATE UNIQUE INDEX analyses_share ON analyses (share_hash) WHERE share_hash IS NOT NULL;

-- Threads with common instructions and documents. People read and use a project that is shared with them; their
-- threads in it remain their own.
CREATE TABLE projects (
    id           TEXT    NOT NULL PRIMARY KEY,
    user_id      TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    instructions TEXT    NOT NULL DEFAULT '',
    created      INTEGER NOT NULL,
    changed      INTEGER NOT NULL
) STRICT;
CREATE INDEX projects_user ON projects (user_id, id);

CREATE TABLE project_documents (
    project_id  TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    document_id TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    PRIMARY KEY (project_id, document_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX project_documents_document ON project_documents (document_id);

CREATE TABLE project_people (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (project_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX project_people_user ON project_people (user_id);

-- A conversation: the analyses with its ID, a tree by `follows`. Deleted with its last analysis. `project` is empty
-- outside any project.
CREATE TABLE threads (
    id           TEXT    NOT NULL PRIMARY KEY,
    user_id      TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    project      TEXT    NOT NULL DEFAULT '',
    title        TEXT    NOT NULL DEFAULT '',
    title_folded TEXT    NOT NULL DEFAULT '',
    created      INTEGER NOT NULL,
    updated      INTEGER NOT NULL,
    pinned       INTEGER NOT NULL DEFAULT 0,
    archived     INTEGER NOT NULL DEFAULT 0,
    share_hash   BLOB
) STRICT;
CREATE INDEX threads_user ON threads (user_id, updated, id);
CREATE INDEX threads_project ON threads (project) WHERE project <> '';
CREATE UNIQUE INDEX threads_share ON threads (share_hash) WHERE share_hash IS NOT NULL;

-- The turns that followed a deleted one follow the turn before it.
CREATE TRIGGER analyses_removed AFTER DELETE ON analyses WHEN old.thread <> '' BEGIN
    UPDATE analyses SET follows = old.follows WHERE follows <> '' AND follows = old.id AND thread = old.thread;
    DELETE FROM threads
    WHERE id = old.thread AND NOT EXISTS (SELECT 1 FROM analyses WHERE thread = old.thread);
END;

-- A deleted project leaves its threads behind.
CREATE TRIGGER projects_removed AFTER DELETE ON projects BEGIN
    UPDATE threads SET project = '' WHERE project <> '' AND project = old.id;
END;

-- Question, answer, and members' texts of each turn of a thread, for the full-text search. The integer key must
-- survive VACUUM. `owner` is a search term for the user, so that the index finds only their turns.
CREATE TABLE turn_texts (
    id          INTEGER NOT NULL PRIMARY KEY,
    analysis_id TEXT    NOT NULL UNIQUE REFERENCES analyses (id) ON DELETE CASCADE,
    owner       TEXT    NOT NULL,
    question    TEXT    NOT NULL,
    answer      TEXT    NOT NULL DEFAULT '',
    terms       TEXT    NOT NULL DEFAULT ''
) STRICT;

-- Models and documents of an analysis, for filtered lists.
CREATE TABLE analysis_models (
    analysis_id TEXT NOT NULL REFERENCES analyses (id) ON DELETE CASCADE,
    model       TEXT NOT NULL,
    PRIMARY KEY (analysis_id, model)
) STRICT, WITHOUT ROWID;

-- A document can be deleted before the analyses that used it.
CREATE TABLE analysis_documents (
    document_id TEXT NOT NULL,
    analysis_id TEXT NOT NULL REFERENCES analyses (id) ON DELETE CASCADE,
    PRIMARY KEY (document_id, analysis_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX analysis_documents_analysis ON analysis_documents (analysis_id);

CREATE TABLE stage_answers (
    analysis_id TEXT    NOT NULL REFERENCES analyses (id) ON DELETE CASCADE,
    stage       INTEGER NOT NULL,
    member      INTEGER NOT NULL,
    model       TEXT    NOT NULL DEFAULT '',
    answer      TEXT    NOT NULL,
    PRIMARY KEY (analysis_id, stage, member)
) STRICT;

CREATE TABLE events (
    analysis_id TEXT    NOT NULL REFERENCES analyses (id) ON DELETE CASCADE,
    seq         INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    data        TEXT    NOT NULL,
    PRIMARY KEY (analysis_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE votes (
    analysis_id TEXT    NOT NULL REFERENCES analyses (id) ON DELETE CASCADE,
    user_id     TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    choice      TEXT    NOT NULL,
    created     INTEGER NOT NULL,
    PRIMARY KEY (analysis_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX votes_user ON votes (user_id);

-- Blind comparison of the panel's answer with a single model's draft. `panel_first` is the order on the page; the
-- choice is empty, then `panel`, `single`, or `tie`. The costs are those of the whole analysis and of the draft, -1 if
-- a price is unknown.
CREATE TABLE comparisons (
    analysis_id TEXT    NOT NULL PRIMARY KEY REFERENCES analyses (id) ON DELETE CASCADE,
    user_id     TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    topic       TEXT    NOT NULL DEFAULT '',
    pattern     TEXT    NOT NULL DEFAULT '',
    model       TEXT    NOT NULL,
    stage       INTEGER NOT NULL DEFAULT 0,
    member      INTEGER NOT NULL DEFAULT 0,
    panel_first INTEGER NOT NULL DEFAULT 0,
    panel_cost  INTEGER NOT NULL DEFAULT -1,
    single_cost INTEGER NOT NULL DEFAULT -1,
    created     INTEGER NOT NULL,
    choice      TEXT    NOT NULL DEFAULT '',
    decided     INTEGER NOT NULL DEFAULT 0,
    topic_folded TEXT   NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX comparisons_user ON comparisons (user_id, decided);

-- Custom patterns; without a user, the team's.
CREATE TABLE patterns (
    id      TEXT    NOT NULL PRIMARY KEY,
    user_id TEXT    REFERENCES users (id) ON DELETE CASCADE,
    body    TEXT    NOT NULL,
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL
) STRICT;
CREATE INDEX patterns_user ON patterns (user_id);

-- A recipe is a named combination of pattern, panel, parameters, and synthesizer. Every save is a new version; versions
-- never change.
CREATE TABLE recipes (
    id      TEXT    NOT NULL PRIMARY KEY,
    user_id TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name    TEXT    NOT NULL,
    shared  INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    UNIQUE (user_id, name)
) STRICT;

CREATE TABLE recipe_versions (
    recipe_id TEXT    NOT NULL REFERENCES recipes (id) ON DELETE CASCADE,
    version   INTEGER NOT NULL,
    body      TEXT    NOT NULL,
    created   INTEGER NOT NULL,
    PRIMARY KEY (recipe_id, version)
) STRICT, WITHOUT ROWID;

-- A search for the best configuration. `body` is the specification, `design` the design of the race, `verdict` how it
-- ended, `judging` the judge's statistics, `applied` how the winner was applied: JSON.
CREATE TABLE experiments (
    id       TEXT    NOT NULL PRIMARY KEY,
    user_id  TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name     TEXT    NOT NULL DEFAULT '',
    status   TEXT    NOT NULL DEFAULT 'running',
    body     TEXT    NOT NULL,
    design   TEXT    NOT NULL,
    verdict  TEXT    NOT NULL DEFAULT '',
    error    TEXT    NOT NULL DEFAULT '',
    applied  TEXT    NOT NULL DEFAULT '',
    judging  TEXT    NOT NULL DEFAULT '{}',
    created  INTEGER NOT NULL,
    finished INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX experiments_user ON experiments (user_id, id);
CREATE INDEX experiments_open ON experiments (id) WHERE finished = 0;

CREATE TABLE experiment_cases (
    experiment_id TEXT    NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    place         INTEGER NOT NULL,
    body          TEXT    NOT NULL,
    PRIMARY KEY (experiment_id, place)
) STRICT, WITHOUT ROWID;

-- One configuration on one case. Stored before the request; `number` is the order in which results arrived, 0 without
-- a result.
CREATE TABLE experiment_results (
    experiment_id TEXT    NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    arm           INTEGER NOT NULL,
    place         INTEGER NOT NULL,
    analysis_id   TEXT    NOT NULL,
    number        INTEGER NOT NULL DEFAULT 0,
    score         REAL    NOT NULL DEFAULT 0,
    cost          INTEGER NOT NULL DEFAULT 0,
    tokens        INTEGER NOT NULL DEFAULT 0,
    latency_ms    INTEGER NOT NULL DEFAULT 0,
    judge_cost    INTEGER NOT NULL DEFAULT 0,
    judge_tokens  INTEGER NOT NULL DEFAULT 0,
    error         TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (experiment_id, arm, place)
) STRICT, WITHOUT ROWID;

-- Which of two configurations' answers to a case was preferred: `first`, `second`, or `tie`. No judge: the user.
CREATE TABLE experiment_judgments (
    experiment_id TEXT    NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    place         INTEGER NOT NULL,
    first         INTEGER NOT NULL,
    second        INTEGER NOT NULL,
    judge         TEXT    NOT NULL DEFAULT '',
    preferred     TEXT    NOT NULL,
    created       INTEGER NOT NULL,
    PRIMARY KEY (experiment_id, place, first, second, judge)
) STRICT, WITHOUT ROWID;

-- The key begins with its owner's ID, so that nobody gets an answer created for another user. `fields` contains a short
-- hash of each field of the request, to explain later misses.
CREATE TABLE answer_cache (
    key     TEXT    NOT NULL PRIMARY KEY,
    user_id TEXT    REFERENCES users (id) ON DELETE CASCADE,
    model   TEXT    NOT NULL,
    answer  TEXT    NOT NULL,
    cost    INTEGER NOT NULL DEFAULT -1,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    hits    INTEGER NOT NULL DEFAULT 0,
    bytes   INTEGER NOT NULL DEFAULT 0,
    used    INTEGER NOT NULL DEFAULT 0,
    fields  TEXT    NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX answer_cache_user ON answer_cache (user_id);
CREATE INDEX answer_cache_expires ON answer_cache (expires);
CREATE INDEX answer_cache_created ON answer_cache (created);
CREATE INDEX answer_cache_used ON answer_cache (used);
CREATE INDEX answer_cache_model ON answer_cache (model);

-- Savings of the cache per user; kept after the answers are gone.
CREATE TABLE savings (
    user_id  TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    day      INTEGER NOT NULL,
    model    TEXT    NOT NULL,
    hits     INTEGER NOT NULL DEFAULT 0,
    cost     INTEGER NOT NULL DEFAULT 0,
    unpriced INTEGER NOT NULL DEFAULT 0,
    tokens   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, day, model)
) STRICT, WITHOUT ROWID;

-- Usage of each user per model and day; kept forever. Costs are those of calls with a known price; `unpriced` counts
-- the others, `estimated` those whose tokens we estimated, `failed` those without an answer. `own_key` is the part of
-- the cost paid with the user's own keys.
CREATE TABLE usage (
    user_id   TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    day       INTEGER NOT NULL,
    model     TEXT    NOT NULL,
    calls     INTEGER NOT NULL DEFAULT 0,
    input     INTEGER NOT NULL DEFAULT 0,
    output    INTEGER NOT NULL DEFAULT 0,
    cost      INTEGER NOT NULL DEFAULT 0,
    failed    INTEGER NOT NULL DEFAULT 0,
    cached    INTEGER NOT NULL DEFAULT 0,
    reasoning INTEGER NOT NULL DEFAULT 0,
    unpriced  INTEGER NOT NULL DEFAULT 0,
    estimated INTEGER NOT NULL DEFAULT 0,
    own_key   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, day, model)
) STRICT, WITHOUT ROWID;

-- Every started call, answered or not; one with no tries was never sent. No reference to analyses: rows remain after the
-- analysis is deleted. Cost -1: unknown price. First token -1: none.
CREATE TABLE calls (
    id             INTEGER NOT NULL PRIMARY KEY,
    user_id        TEXT    REFERENCES users (id) ON DELETE CASCADE,
    analysis_id    TEXT    NOT NULL DEFAULT '',
    stage          INTEGER NOT NULL DEFAULT 0,
    member         INTEGER NOT NULL DEFAULT 0,
    at             INTEGER NOT NULL,
    model          TEXT    NOT NULL,
    outcome        TEXT    NOT NULL,
    tries          INTEGER NOT NULL DEFAULT 1,
    input          INTEGER NOT NULL DEFAULT 0,
    output         INTEGER NOT NULL DEFAULT 0,
    cached         INTEGER NOT NULL DEFAULT 0,
    reasoning      INTEGER NOT NULL DEFAULT 0,
    estimated      INTEGER NOT NULL DEFAULT 0,
    own_key        INTEGER NOT NULL DEFAULT 0,
    price          TEXT    NOT NULL DEFAULT '',
    cost           INTEGER NOT NULL DEFAULT -1,
    latency_ms     INTEGER NOT NULL DEFAULT 0,
    first_token_ms INTEGER NOT NULL DEFAULT -1
) STRICT;
CREATE INDEX calls_user ON calls (user_id, at);
CREATE INDEX calls_at ON calls (at);

-- Limits of one user per UTC day and month; -1 for none; no row for the server's default.
CREATE TABLE budgets (
    user_id      TEXT    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    day_cost     INTEGER NOT NULL DEFAULT -1,
    month_cost   INTEGER NOT NULL DEFAULT -1,
    day_tokens   INTEGER NOT NULL DEFAULT -1,
    month_tokens INTEGER NOT NULL DEFAULT -1
) STRICT, WITHOUT ROWID;

-- Providers added by an admin for everyone (no user), or by a user for themselves. The key is encrypted with a secret
-- that is not in this file; its last characters are stored so that people can tell keys apart.
CREATE TABLE providers (
    id          TEXT    NOT NULL PRIMARY KEY,
    user_id     TEXT    REFERENCES users (id) ON DELETE CASCADE,
    name        TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    base_url    TEXT    NOT NULL DEFAULT '',
    sealed_key  TEXT    NOT NULL DEFAULT '',
    key_end     TEXT    NOT NULL DEFAULT '',
    models      TEXT    NOT NULL DEFAULT '[]',
    concurrency INTEGER NOT NULL DEFAULT 0,
    created     INTEGER NOT NULL,
    changed     INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX providers_name ON providers (coalesce(user_id, ''), name);
CREATE INDEX providers_user ON providers (user_id);

CREATE TABLE settings (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Full-text search, specific to SQLite. The index stores no text, only word positions; triggers keep it in sync,
-- including cascading deletes. secure-delete removes a word's entries from the index immediately.

CREATE VIRTUAL TABLE passages_fts USING fts5 (
    heading, text, terms, content = 'passages', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO passages_fts (passages_fts, rank) VALUES ('secure-delete', 1);

CREATE TRIGGER passages_added AFTER INSERT ON passages BEGIN
    INSERT INTO passages_fts (rowid, heading, text, terms) VALUES (new.id, new.heading, new.text, new.terms);
END;
CREATE TRIGGER passages_removed AFTER DELETE ON passages BEGIN
    INSERT INTO passages_fts (passages_fts, rowid, heading, text, terms)
    VALUES ('delete', old.id, old.heading, old.text, old.terms);
END;

CREATE VIRTUAL TABLE turns_fts USING fts5 (
    owner, question, answer, terms, content = 'turn_texts', content_rowid = 'id',
    tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO turns_fts (turns_fts, rank) VALUES ('secure-delete', 1);

CREATE TRIGGER turn_texts_added AFTER INSERT ON turn_texts BEGIN
    INSERT INTO turns_fts (rowid, owner, question, answer, terms)
    VALUES (new.id, new.owner, new.question, new.answer, new.terms);
END;
CREATE TRIGGER turn_texts_removed AFTER DELETE ON turn_texts BEGIN
    INSERT INTO turns_fts (turns_fts, rowid, owner, question, answer, terms)
    VALUES ('delete', old.id, old.owner, old.question, old.answer, old.terms);
END;
