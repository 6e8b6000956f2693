//! `sealpass credential`: make credentials for the control listener.

use clap::{Args, Subcommand, ValueEnum};
use sealpass::entropy::SystemEntropy;
use sealpass::http::NewCredential;

use super::Failure;

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
        let credential = NewCredential::generate(&SystemEntropy::new())?;
        eprintln!("{}", credential.expose());
        let scopes: Vec<_> =
            new.scope.iter().map(|scope| if matches!(scope, Scope::App) { "app" } else { "admin" }).collect();
        println!("[[credential]]");
        println!("name = {:?}\nsha256 = \"{}\"", new.name, credential.sha256());
        println!("scopes = {scopes:?}\nrealms = {:?}", new.realm);
        Ok(())
    }
}
