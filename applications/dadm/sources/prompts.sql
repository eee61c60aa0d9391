-- data/prompts.db: the schema as the service created it.
-- Prompts in versions, their test cases and results.

CREATE TABLE prompts (
    id TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    type TEXT NOT NULL,
    tool_dependencies TEXT NOT NULL DEFAULT '[]',
    workflow_dependencies TEXT NOT NULL DEFAULT '[]',
    tags TEXT NOT NULL DEFAULT '[]',
    created_by TEXT,
    created_at DATETIME NOT NULL,
    updated_at DATETIME,
    metadata TEXT,
    PRIMARY KEY (id, version)
);
CREATE TABLE test_cases (
    id TEXT PRIMARY KEY,
    prompt_id TEXT NOT NULL,
    prompt_version INTEGER NOT NULL,
    name TEXT NOT NULL,
    input TEXT NOT NULL,
    expected_output TEXT,
    scoring_logic TEXT,
    enabled BOOLEAN NOT NULL DEFAULT 1,
    FOREIGN KEY (prompt_id, prompt_version) REFERENCES prompts (id, version)
);
CREATE TABLE test_results (
    id TEXT PRIMARY KEY,
    test_case_id TEXT NOT NULL REFERENCES test_cases (id),
    prompt_id TEXT NOT NULL,
    prompt_version INTEGER NOT NULL,
    execution_time DATETIME NOT NULL,
    actual_output TEXT,
    score REAL,
    passed BOOLEAN NOT NULL,
    llm_config TEXT,
    error_message TEXT,
    duration_ms INTEGER,
    FOREIGN KEY (prompt_id, prompt_version) REFERENCES prompts (id, version)
);
CREATE INDEX idx_results_case ON test_results (test_case_id);
