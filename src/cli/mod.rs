//! Arguments, and what becomes of them.
//!
//! Exit codes: 0 done; 1 it could not be done, or a check found a fault; 2 the arguments are wrong (clap's); 3 the
//! doctor could not check; 64 the configuration is wrong (`EX_USAGE` of sysexits.h).

mod check;
mod cluster;
mod credential;
mod demo_fleet;
mod doctor;
mod echo;
mod explain;
mod facts;
mod keys;
mod one_replica;
mod proxy_config;
mod remote;
mod serve;
mod table;
mod token;

use std::fmt::Display;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, setrlimit};
use sealpass::config::{Membership, MembershipError, Settings, SettingsError, Site, SiteError};
use sealpass::custody::CustodyError;
use sealpass::entropy::EntropyError;
use sealpass::http::{CertificateError, CredentialsError, SocketError};
use sealpass::store::{JournalError, PrivateFileError, RingDir, RingDirError};

/// Sessions without a store, and endings that count at once.
///
/// Sealpass seals a whole session into one cookie. Every replica tells who is calling from the cookie alone, and a
/// reverse proxy asks it through one HTTP endpoint. Begin with `sealpass serve --dev`.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Common {
    /// The configuration file (TOML). Without one, built-in defaults hold
    #[arg(long, global = true, value_name = "FILE", env = "SEALPASS_CONFIG")]
    config: Option<PathBuf>,
    /// The directory of the key ring [default: keys]
    #[arg(long = "keys", global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The file with the cluster secret [default: cluster.secret in the keys directory]
    #[arg(long, global = true, value_name = "FILE")]
    cluster_secret: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service
    Serve(serve::Serve),
    /// Watch three replicas agree
    DemoFleet(demo_fleet::DemoFleet),
    /// Check the configuration without starting anything
    Check(check::Check),
    /// Make the key ring, look at it, rotate its keys
    Keys(keys::Keys),
    /// Prove that your proxy, Sealpass and your application fit together
    Doctor(Box<doctor::Doctor>),
    /// Stand in for the application and show what reaches it
    Echo(echo::Echo),
    /// Look at the replicas of a fleet
    #[command(subcommand)]
    Cluster(cluster::Cluster),
    /// Look into a token
    #[command(subcommand)]
    Token(token::Token),
    /// Say why somebody was refused: what is in force about a subject or a session, what was decided in a request
    Explain(explain::Explain),
    /// Make credentials for the control listener, look at them, take them back
    #[command(subcommand)]
    Credential(credential::Credential),
    /// Print the configuration of a reverse proxy for your own names
    ProxyConfig(proxy_config::ProxyConfig),
}

/// Why a command ended early. Every text is one line that says what to do.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("configuration: {0}")]
    Site(#[from] SiteError),
    #[error("configuration: {0}")]
    Membership(#[from] MembershipError),
    #[error(transparent)]
    Ring(#[from] RingDirError),
    #[error(transparent)]
    Custody(#[from] CustodyError),
    #[error(transparent)]
    File(#[from] PrivateFileError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error("{what}: {error}")]
    Io { what: String, error: std::io::Error },
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Unchecked(String),
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Settings(_) | Self::Site(_) | Self::Membership(_) => ExitCode::from(64),
            Self::Unchecked(_) => ExitCode::from(3),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Runs the command that was asked for.
pub fn run() -> ExitCode {
    keep_out_of_dumps();
    let Arguments { common, command } = Arguments::parse();
    let done = match command {
        Command::Serve(serve) => serve.run(&common),
        Command::DemoFleet(demo) => demo.run(),
        Command::Check(check) => check.run(&common),
        Command::Keys(keys) => keys.run(&common),
        Command::Doctor(doctor) => doctor.run(&common),
        Command::Echo(echo) => echo.run(),
        Command::Cluster(cluster) => cluster.run(&common),
        Command::Token(token) => token.run(&common),
        Command::Credential(credential) => credential.run(&common),
        Command::Explain(explain) => explain.run(&common),
        Command::ProxyConfig(print) => print.run(&common),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // One line, whatever a name in the configuration holds.
            eprintln!("sealpass: {}", failure.to_string().replace(['\n', '\r'], " "));
            failure.exit_code()
        }
    }
}

/// Keys are in memory: no core file gets them, and no other process of this user reads them.
fn keep_out_of_dumps() {
    // A system that refuses this refuses it to everybody; the command is of use all the same.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Prints a line. Whoever reads only the beginning of the output (`| head`) is no failure; a full disk is.
fn say(line: impl Display) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(|error| Failure::Io { what: "can't write to standard output".to_owned(), error }),
    }
}

impl Common {
    /// The configuration, with `flags` over it.
    fn settings(&self, flags: &[(&str, Option<String>)]) -> Result<Settings, Failure> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let own = [("keys", path(&self.dir)), ("cluster_secret", path(&self.cluster_secret))];
        let given = own.iter().chain(flags);
        let flags: Vec<_> = given.filter_map(|(key, value)| Some((*key, value.clone()?))).collect();
        // What is no UTF-8 can be no key of ours.
        let environment =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Ok(Settings::load(self.config.as_deref(), environment, &flags)?)
    }

    fn site(settings: &Settings) -> Result<Site, Failure> {
        Ok(Site::new(settings)?)
    }

    /// The place of this replica among others; `None` if it is alone.
    fn membership(settings: &Settings) -> Result<Option<Membership>, Failure> {
        Ok(Membership::of(settings)?)
    }

    fn ring_dir(settings: &Settings) -> RingDir {
        RingDir::new(&settings.keys, settings.cluster_secret.as_deref()).with_seed(settings.ring_seed.as_deref())
    }
}
