//! Sealed tokens on their way to the browser.

use crate::claims::{SessionId, Tag};
use crate::clock::Timestamp;
use crate::token::Token;

/// A sealed session on its way to the browser.
#[derive(Debug)]
pub struct Issued {
    /// Its id.
    pub sid: SessionId,
    /// The tag of its subject; `None` if it is anonymous.
    pub subject: Option<Tag>,
    /// The cookie's value.
    pub token: Token,
    /// Logical start.
    pub started: Timestamp,
    /// Absolute expiry.
    pub expires: Timestamp,
    /// When the application last gave claims.
    pub claims_at: Timestamp,
    /// When this token dies unless renewed.
    pub idle_expires: Timestamp,
    /// Whether the cookie outlives the browser.
    pub persistent: bool,
    /// The other token of a session that is bound to a device; then this one lives for a short time, whether or not the browser
    /// goes on. `None` for all others.
    pub anchor: Option<IssuedAnchor>,
    /// What the clock showed by which all of this was dated. Where a majority was asked before, the clock may have
    /// stepped meanwhile: whether the replica may answer has to be judged again, by this.
    pub dated_by: Timestamp,
}

/// A sealed anchor on its way to the browser.
#[derive(Debug)]
pub struct IssuedAnchor {
    /// The cookie's value.
    pub token: Token,
    /// When it dies unless the device refreshes the session.
    pub idle_expires: Timestamp,
    /// Whether the cookie outlives the browser.
    pub persistent: bool,
}
