CREATE TABLE idempotency_keys (
    user_id text COLLATE "C" NOT NULL,
    key bytea NOT NULL,
    request bytea NOT NULL,
    outcome text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, key),
    CONSTRAINT idempotency_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT idempotency_keys_key_length CHECK (octet_length(key) = 32),
    CONSTRAINT idempotency_keys_request_length CHECK (octet_length(request) = 32),
    CONSTRAINT idempotency_keys_outcome_length CHECK (octet_length(outcome) <= 4096)
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
