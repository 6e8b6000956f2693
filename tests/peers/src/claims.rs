//! What every peer carries: a subject, two roles, how the user authenticated, the session's id, when it began and ends.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// By the names of RFC 7519, which most peers know. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub sub: String,
    pub roles: Vec<String>,
    pub amr: Vec<String>,
    pub jti: String,
    pub iat: i64,
    pub exp: i64,
}

impl Claims {
    /// As JSON, for peers that seal bytes.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("it has no keys but strings")
    }

    pub fn of_json(json: &[u8]) -> Self {
        serde_json::from_slice(json).expect("sealed by us")
    }
}

/// Seconds, for how many from now `claims` are good.
pub fn lifetime(claims: &Claims) -> u32 {
    u32::try_from(claims.exp - claims.iat).expect("hours")
}

/// As PASETO spells a time.
pub fn rfc3339(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds).expect("of our time").format(&Rfc3339).expect("of our time")
}

pub fn seconds(rfc3339: &str) -> i64 {
    OffsetDateTime::parse(rfc3339, &Rfc3339).expect("spelt by us").unix_timestamp()
}
