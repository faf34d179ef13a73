-- The version of each server's program, for people to see.
ALTER TABLE servers ADD COLUMN version TEXT COLLATE "C" NOT NULL DEFAULT '';

-- Whose run it is, so that a person's runs on all servers can be counted; empty for what is not counted.
ALTER TABLE leases ADD COLUMN owner TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX leases_owner ON leases (owner) WHERE owner <> '';
