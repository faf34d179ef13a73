-- The version of Quire that each server runs, for display.
ALTER TABLE servers ADD COLUMN version TEXT COLLATE "C" NOT NULL DEFAULT '';

-- The user whose run it is, so that the runs of a user on all servers can be counted. Empty for leases that are not
-- counted.
ALTER TABLE leases ADD COLUMN owner TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX leases_owner ON leases (owner) WHERE owner <> '';
