-- Secrets of webhooks, encrypted. `secret` holds what an older Lemnis wrote, until it is encrypted too.

ALTER TABLE webhook ADD COLUMN sealed BYTEA;
