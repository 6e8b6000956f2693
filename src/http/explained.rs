//! The answer of `/v1/explain`, as the command line reads it.

use serde::{Deserialize, Serialize};

use crate::sessions::Explanation;
use crate::telemetry::{Decided, Kept};

/// What a replica knows of a subject, a session or a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explained {
    /// Which replica says so.
    pub replica: String,
    /// Whether it is ready. One that is not may lack what others know.
    pub ready: bool,
    /// Who did it, and whether that is known.
    pub who: String,
    /// What was decided in the request that was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<ExplainedRequest>,
    /// What it knows.
    #[serde(flatten)]
    pub explanation: Explanation,
}

/// What this replica remembers of a request. Others may have answered it: each remembers its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExplainedRequest {
    /// Its id.
    pub request_id: String,
    /// What was decided in it, in that order. Nothing, if it was let through, or answered by another replica, or too long ago.
    pub decided: Vec<Decided>,
    /// What other requests did to the same session, or to all of the subject's.
    pub related: Vec<Decided>,
    /// How much is remembered.
    pub kept: Kept,
}

impl Explained {
    /// With what there is to say of who did it.
    pub fn new(explanation: Explanation, replica: String, ready: bool) -> Self {
        Self { replica, ready, who: WHO.to_owned(), request: None, explanation }
    }
}

const WHO: &str = "Facts do not say who made them. Look for the pseudonyms in the audit trails of all replicas: their lines have the \
                   time, `by` and `credential`.";
