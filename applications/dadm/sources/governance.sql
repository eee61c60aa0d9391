-- data/governance/governance.db: the schema as the service created it.
-- Policies, lineage and quality of data.

CREATE TABLE data_policies (
    policy_id TEXT PRIMARY KEY,
    name TEXT,
    description TEXT,
    classification TEXT NOT NULL
        CHECK (classification IN ('public', 'internal', 'confidential', 'restricted')),
    retention_days INTEGER,
    encryption_required BOOLEAN NOT NULL DEFAULT 0,
    access_controls TEXT,
    quality_thresholds TEXT,
    tags TEXT NOT NULL DEFAULT '[]',
    created_at TEXT NOT NULL,
    active BOOLEAN NOT NULL DEFAULT 1
);
CREATE TABLE data_lineage (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    lineage_id TEXT NOT NULL UNIQUE,
    data_id TEXT NOT NULL,
    source_data_ids TEXT,
    transformation_type TEXT,
    transformation_details TEXT,
    created_at TEXT NOT NULL,
    user_id TEXT
);
CREATE TABLE quality_metrics (
    metric_id TEXT PRIMARY KEY,
    data_id TEXT NOT NULL,
    completeness REAL,
    accuracy REAL,
    consistency REAL,
    timeliness REAL,
    validity REAL,
    overall_score REAL,
    quality_level TEXT,
    issues TEXT,
    measured_at INTEGER NOT NULL
);
CREATE INDEX idx_lineage_data ON data_lineage (data_id);
