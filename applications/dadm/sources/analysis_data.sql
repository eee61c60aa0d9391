-- data/analysis_storage/analysis_data.db: the schema as the service created it.
-- Analyses of the workflow tasks; a daemon writes it, in WAL mode.

CREATE TABLE analysis_metadata (
    analysis_id TEXT PRIMARY KEY,
    thread_id TEXT NOT NULL,
    session_id TEXT,
    process_instance_id TEXT,
    task_name TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT,
    status TEXT NOT NULL DEFAULT 'created',
    tags TEXT,
    source_service TEXT
);
CREATE TABLE analysis_data (
    analysis_id TEXT PRIMARY KEY,
    input_data TEXT,
    output_data TEXT,
    raw_response TEXT,
    processing_log TEXT DEFAULT '[]',
    FOREIGN KEY (analysis_id) REFERENCES analysis_metadata (analysis_id) ON DELETE CASCADE
);
CREATE TABLE processing_tasks (
    task_id TEXT PRIMARY KEY,
    analysis_id TEXT NOT NULL REFERENCES analysis_metadata (analysis_id),
    processor_type TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
    created_at TIMESTAMP NOT NULL,
    completed_at TIMESTAMP,
    error_message TEXT,
    metadata TEXT
);
CREATE INDEX idx_metadata_thread ON analysis_metadata (thread_id);
CREATE INDEX idx_tasks_analysis ON processing_tasks (analysis_id);
