//! `sealpass credential`: make credentials for the control listener.

use clap::{Args, Subcommand, ValueEnum};
use sealpass::claims::check_name;
use sealpass::entropy::SystemEntropy;
use sealpass::http::NewCredential;

use super::{Failure, say};

/// Make credentials for the control listener
#[derive(Debug, Subcommand)]
pub enum Credential {
    /// Make one, and print it with the lines that let it in
    New(New),
}

/// Make one, and print it with the lines that let it in
///
/// The credential goes to standard error and is shown this once; the lines for the credentials file, which hold only its
/// hash, go to standard output: `sealpass credential new --name shop >> credentials.toml`.
#[derive(Debug, Args)]
pub struct New {
    /// Whose it is, for the log
    #[arg(long)]
    name: String,
    /// What it is good for; app issues, changes and ends sessions, admin operates the service
    #[arg(long, value_enum, default_value = "app")]
    scope: Vec<Scope>,
    /// In which realm; * for all
    #[arg(long, default_value = "default")]
    realm: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Scope {
    App,
    Admin,
}

impl Credential {
    pub fn run(&self) -> Result<(), Failure> {
        let Self::New(new) = self;
        check_name(&new.name).map_err(|problem| Failure::Refused(format!("--name {problem}")))?;
        let credential = NewCredential::generate(&SystemEntropy::new())?;
        eprintln!("{}", credential.expose());
        let scopes: Vec<_> =
            new.scope.iter().map(|scope| if matches!(scope, Scope::App) { "app" } else { "admin" }).collect();
        say(format_args!("[[credential]]"))?;
        say(format_args!("name = {}\nsha256 = \"{}\"", toml::Value::from(new.name.as_str()), credential.sha256()))?;
        say(format_args!("scopes = {scopes:?}\nrealms = {:?}", new.realm))?;
        Ok(())
    }
}
