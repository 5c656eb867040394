CREATE TABLE notes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    text text NOT NULL CHECK (text <> ''),
    written_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE files (
    id uuid PRIMARY KEY,
    note_id bigint NOT NULL REFERENCES notes ON DELETE CASCADE,
    name text NOT NULL,
    size_bytes bigint NOT NULL,
    sha256 text NOT NULL
);
