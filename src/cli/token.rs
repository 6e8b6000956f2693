//! `sealpass token`: what a token says, for whoever has the ring.

use std::io::Read as _;
use std::sync::Arc;

use clap::{Args, Subcommand};
use sealpass::claims::Claims;
use sealpass::clock::SystemClock;
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::Keys;
use sealpass::revocation::MemoryFacts;
use sealpass::sessions::Sessions;
use sealpass::token::{MAX_CHARS, Scratch};

use super::{Common, Failure, say};

/// Look into a token
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Show the claims of a token that is read from standard input
    Inspect(Inspect),
}

/// Show the claims of a token that is read from standard input
///
/// Never from an argument: those stand in the shell's history and in the list of processes. Prints JSON, and whether the
/// token's times are good now; whether the session was ended only a running service knows. Exit code 1 if it is no token
/// of this ring and realm.
#[derive(Debug, Args)]
pub struct Inspect {
    /// The realm whose cookie it came from
    #[arg(long, default_value = "default")]
    realm: String,
}

impl Token {
    pub fn run(&self, common: &Common) -> Result<(), Failure> {
        let Self::Inspect(Inspect { realm }) = self;
        let settings = common.settings(&[])?;
        let site = Common::site(&settings)?;
        let site = site.realm(realm).ok_or_else(|| {
            Failure::Refused(format!("there is no realm called {realm:?}; `sealpass check` lists them"))
        })?;
        let entropy = Arc::new(SystemEntropy::new());
        let keys = Keys::new(&Common::ring_dir(&settings).load()?, &*entropy)?;
        let sessions = Sessions::new(keys, Arc::new(MemoryFacts::default()), Arc::new(SystemClock), entropy);
        let text = read_token()?;
        let mut scratch = Scratch::default();
        let times = match sessions.verify(&site.realm, &[text.as_bytes()], &mut scratch) {
            Ok(_) => "good",
            Err(refusal) => refusal.code(),
        };
        let refused = || Failure::Refused(format!("not a token of this ring and realm ({times})"));
        let claims = sessions.recognise(&site.realm, text.as_bytes(), &mut scratch).ok_or_else(refused)?;
        say(format_args!("{:#}", shown(&claims, times)))?;
        Ok(())
    }
}

fn read_token() -> Result<String, Failure> {
    let mut text = String::new();
    let limit = MAX_CHARS as u64 + 2;
    let read = std::io::stdin().take(limit).read_to_string(&mut text);
    read.map_err(|error| Failure::Io { what: "can't read the token from standard input".to_owned(), error })?;
    Ok(text.trim_ascii().to_owned())
}

fn shown(claims: &Claims<'_>, times: &str) -> serde_json::Value {
    serde_json::json!({
        "times": times,
        "session_id": claims.sid.encode(),
        "subject": claims.subject,
        "roles": claims.roles,
        "data": claims.data.iter().copied().collect::<std::collections::BTreeMap<_, _>>(),
        "amr": claims.amr,
        "aal": claims.aal,
        "persistent": claims.persistent,
        "started_at": claims.started.rfc3339(),
        "authenticated_at": claims.authenticated.rfc3339(),
        "claims_at": claims.claims_at.rfc3339(),
        "sealed_at": claims.sealed.rfc3339(),
        "expires_at": claims.expires.rfc3339(),
        "idle_expires_at": claims.dies().rfc3339(),
    })
}
