//! What else of a client reaches the application.

use super::super::chain::{Ask, Chain};
use super::super::report::{Found, Not};

/// Where a client says that it comes from, and for what it asks. Applications believe their proxy in this.
pub fn client_forwarded(chain: &Chain) -> Found {
    let path = chain.echo()?;
    let mut found = Vec::new();
    for name in FORWARDED {
        let ask = Ask::get(path).cookie(chain.session.cookie()).with(format!("{name}: forged-{}", chain.mark));
        let Some(reached) = chain.reached(&ask)? else { continue };
        found.extend(reached.with(&format!("forged-{}", chain.mark)).first().map(|_| name));
    }
    if found.is_empty() {
        return Ok("none gets through".to_owned());
    }
    Err(Not::Right(format!("reached the application: {}", found.join(", "))))
}

const FORWARDED: [&str; 11] = [
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Original-Method",
    "X-Original-URL",
    "X-Original-URI",
    "Forwarded",
];
