//! The answer of `/v1/explain`, as the command line reads it.

use serde::{Deserialize, Serialize};

use crate::sessions::Explanation;

/// What a replica knows of a subject or a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explained {
    /// Which replica says so.
    pub replica: String,
    /// Whether it is ready. One that is not may lack what others know.
    pub ready: bool,
    /// Who did it, and whether that is known.
    pub who: String,
    /// What it knows.
    #[serde(flatten)]
    pub explanation: Explanation,
}

impl Explained {
    /// With what there is to say of who did it.
    pub fn new(explanation: Explanation, replica: String, ready: bool) -> Self {
        Self { replica, ready, who: WHO.to_owned(), explanation }
    }
}

const WHO: &str = "Facts do not say who made them. Look for the pseudonyms in the audit trails of all replicas: their lines have the \
                   time, `by` and `credential`.";
