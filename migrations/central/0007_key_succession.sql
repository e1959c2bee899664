-- Why: a statement key must stay named for as long as statements of it are good, so it is to be
-- known when another took its place.

ALTER TABLE signing_keys ADD COLUMN closed_at timestamptz;
