//! `sealpass credential`: make credentials for the control listener, look at them, take them back.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use sealpass::claims::check_name;
use sealpass::clock::{Clock as _, SystemClock, Timestamp};
use sealpass::entropy::SystemEntropy;
use sealpass::http::{CredentialFile, CredentialTerms, Credentials, Grant, NewCredential, Scope};
use sealpass::store::create_private;
use serde_json::json;

use super::table::table;
use super::{Common, Failure, say};

/// Make credentials for the control listener, look at them, take them back
#[derive(Debug, Subcommand)]
pub enum Credential {
    /// Make one, and add what lets it in to the credentials file
    Add(Add),
    /// Show what is in the credentials file: names and what they may do, no secret
    List(List),
    /// Take one out of the credentials file
    Revoke(Revoke),
    /// Make one, and print it with the lines that let it in
    New(New),
}

/// Make one, and add what lets it in to the credentials file
///
/// The credential is shown this once, on standard output or in the file of --out; the credentials file, which is made with
/// mode 0600 if it is not there, gets its hash. A running service takes it up within a second or so, and no restart is needed.
#[derive(Debug, Args)]
pub struct Add {
    #[command(flatten)]
    asked: Asked,
    /// Write the credential to this new file with mode 0600, and not to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub struct List {
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Take one out of the credentials file
///
/// A running service lets it in no more within a second or so. Sessions that were issued with it live on.
#[derive(Debug, Args)]
pub struct Revoke {
    /// Its name; or its id, from `credential list`, where several have one name
    name: String,
    #[command(flatten)]
    place: Place,
}

/// Make one, and print it with the lines that let it in
///
/// The credential goes to standard error and is shown this once; the lines for the credentials file, which hold only its
/// hash, go to standard output: `sealpass credential new --name shop >> credentials.toml`.
#[derive(Debug, Args)]
pub struct New {
    #[command(flatten)]
    asked: Asked,
}

/// Which file.
#[derive(Debug, Args)]
struct Place {
    /// The credentials file [default: that of the configuration]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What a new one is to be good for.
#[derive(Debug, Args)]
struct Asked {
    /// Whose it is, for the log
    #[arg(long)]
    name: String,
    /// What it is good for; app issues, changes and ends sessions, admin operates the service
    #[arg(long, value_enum, default_value = "app")]
    scope: Vec<ScopeName>,
    /// In which realm; * for all
    #[arg(long, default_value = "default")]
    realm: Vec<String>,
    /// A role that it can give to sessions, or with * at the end all that begin so; all roles without it
    #[arg(long, value_name = "ROLE", conflicts_with = "no_roles")]
    may_grant: Vec<String>,
    /// It can give no role to sessions
    #[arg(long)]
    no_roles: bool,
    /// Up to which assurance level it can say that somebody was authenticated
    #[arg(long, value_name = "LEVEL", value_parser = clap::value_parser!(u8).range(0..=3))]
    max_aal: Option<u8>,
    /// When it ends: a time (2027-01-31T00:00:00Z) or in how long (90d)
    #[arg(long, value_name = "WHEN", value_parser = parse_end)]
    expires: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ScopeName {
    App,
    Admin,
}

impl Credential {
    pub fn run(&self, common: &Common) -> Result<(), Failure> {
        match self {
            Self::Add(add) => add.run(common),
            Self::List(list) => list.run(common),
            Self::Revoke(revoke) => {
                let file = revoke.place.file(common)?;
                let name = CredentialFile::at(&file).revoke(&revoke.name)?;
                say(format_args!("{name:?} is revoked, here at once and in a running service within a second or so"))
            }
            Self::New(new) => new.run(),
        }
    }
}

impl Add {
    fn run(&self, common: &Common) -> Result<(), Failure> {
        let (terms, file) = (self.asked.terms()?, self.place.file(common)?);
        let credential = NewCredential::generate(&SystemEntropy::new())?;
        if let Some(out) = &self.out {
            create_private(out, credential.expose().as_bytes())?;
        }
        let added = CredentialFile::at(&file).add(&credential, &terms);
        if let (Err(_), Some(out)) = (&added, &self.out) {
            // It opens nothing.
            drop(fs::remove_file(out));
        }
        added?;
        match &self.out {
            Some(out) => say(format_args!("{:?} is added; its credential is in {}", terms.name, out.display())),
            None => say(credential.expose()),
        }
    }
}

impl List {
    fn run(&self, common: &Common) -> Result<(), Failure> {
        let credentials = Credentials::load(&self.place.file(common)?)?;
        let now = SystemClock.now();
        if self.json {
            let all: Vec<_> = credentials.iter().map(|grant| shown(grant, now)).collect();
            return say(format_args!("{:#}", json!({ "credentials": all })));
        }
        let head = ["name", "id", "scopes", "realms", "may grant", "max aal", "expires"].map(str::to_owned);
        let rows = credentials.iter().map(|grant| row(grant, now));
        say(table(&[head].into_iter().chain(rows).collect::<Vec<_>>()))
    }
}

impl New {
    fn run(&self) -> Result<(), Failure> {
        let terms = self.asked.terms()?;
        let credential = NewCredential::generate(&SystemEntropy::new())?;
        eprintln!("{}", credential.expose());
        say(terms.lines(&credential).trim_end())
    }
}

impl Place {
    fn file(&self, common: &Common) -> Result<PathBuf, Failure> {
        let configured = || Ok::<_, Failure>(common.settings(&[])?.credentials);
        let file = match &self.file {
            Some(file) => Some(file.clone()),
            None => configured()?,
        };
        file.ok_or_else(|| {
            Failure::Refused("no credentials file is configured; name it with --file, or set `credentials`".to_owned())
        })
    }
}

impl Asked {
    fn terms(&self) -> Result<CredentialTerms, Failure> {
        let named = |flag: &str, text: &str| {
            let checked = check_name(text).map(drop);
            checked.map_err(|problem| Failure::Refused(format!("{flag} {problem}")))
        };
        named("--name", &self.name)?;
        for role in &self.may_grant {
            named("--may-grant", role)?;
            if role.trim_end_matches('*').contains('*') || role.ends_with("**") {
                return Err(Failure::Refused("--may-grant takes one * at the end, as in 'billing:*'".to_owned()));
            }
        }
        let all = self.may_grant.is_empty() && !self.no_roles;
        Ok(CredentialTerms {
            name: self.name.clone(),
            scopes: self.scope.iter().map(|scope| scope.scope()).collect(),
            realms: self.realm.clone(),
            may_grant: (!all).then(|| self.may_grant.clone()),
            max_aal: self.max_aal,
            expires: self.expires,
        })
    }
}

impl ScopeName {
    fn scope(self) -> Scope {
        match self {
            Self::App => Scope::App,
            Self::Admin => Scope::Admin,
        }
    }
}

fn shown(grant: &Grant, now: Timestamp) -> serde_json::Value {
    json!({
        "name": grant.name,
        "id": grant.id(),
        "scopes": scopes(grant),
        "realms": grant.realms,
        "may_grant": grant.may_grant().map(Iterator::collect::<Vec<_>>),
        "max_aal": grant.max_aal(),
        "expires": grant.expires().map(Timestamp::rfc3339),
        "expired": grant.expires().is_some_and(|at| at <= now),
    })
}

fn row(grant: &Grant, now: Timestamp) -> [String; 7] {
    let roles = grant.may_grant().map_or_else(
        || "any role".to_owned(),
        |roles| {
            let roles = roles.collect::<Vec<_>>().join(", ");
            if roles.is_empty() { "no role".to_owned() } else { roles }
        },
    );
    let expires = grant.expires().map_or_else(
        || "never".to_owned(),
        |at| if at <= now { format!("expired {}", at.rfc3339()) } else { at.rfc3339() },
    );
    let max_aal = grant.max_aal().to_string();
    [grant.name.clone(), grant.id(), scopes(grant).join(", "), grant.realms.join(", "), roles, max_aal, expires]
}

fn scopes(grant: &Grant) -> Vec<&'static str> {
    grant.scopes.iter().map(|scope| scope.name()).collect()
}

fn parse_end(text: &str) -> Result<Timestamp, String> {
    if let Some(at) = Timestamp::parse_rfc3339(text) {
        return Ok(at);
    }
    let within: Result<Duration, _> = humantime::parse_duration(text);
    let wrong = |_| "write a time as 2027-01-31T00:00:00Z, or a duration as 90d".to_owned();
    let end = within.map(|within| SystemClock.now().plus(within)).map_err(wrong)?;
    // To the second: nobody means the rest.
    Ok(Timestamp::from_millis(end.as_secs() * 1_000).unwrap_or(end))
}
