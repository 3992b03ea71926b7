CREATE TABLE users (
    id text COLLATE "C" NOT NULL,
    clerk_user_id text COLLATE "C",
    email text,
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_clerk_user_id_key UNIQUE (clerk_user_id),
    CONSTRAINT users_id_length CHECK (char_length(id) BETWEEN 1 AND 255)
);
