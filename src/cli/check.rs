//! `sealpass check`: what the configuration means, before a port is bound.

use clap::Args;
use sealpass::config::{AuditTo, DEFAULT_FILE};
use sealpass::http::Credentials;

use super::{Common, Failure, facts, say};

/// Check the configuration without starting anything
///
/// Reads the file, the environment and the flags as `serve` does, and says in one line what is wrong, or in a few what
/// will be served. Exit code 64 if the configuration is wrong, 1 if the key ring or a credential file can't be used.
#[derive(Debug, Args)]
pub struct Check {
    /// Print every key with its meaning and the value that holds without it, and end
    #[arg(long)]
    print_default: bool,
}

impl Check {
    pub fn run(&self, common: &Common) -> Result<(), Failure> {
        if self.print_default {
            say(DEFAULT_FILE.trim_end())?;
            return Ok(());
        }
        let settings = common.settings(&[])?;
        let site = Common::site(&settings)?;
        if let Some(path) = &settings.credentials {
            Credentials::load(path)?;
        }
        let dir = Common::ring_dir(&settings);
        let ring = dir.load()?;
        say(format_args!("public   {}", settings.public.listen))?;
        say(format_args!("control  {}", settings.control.listen))?;
        for realm in site.realms() {
            if !site.policies().any(|(_, policy)| policy.realm.realm.name() == realm.realm.name()) {
                say(format_args!("warning  realm.{}: no policy asks for it", realm.realm.name().as_str()))?;
            }
            say(format_args!(
                "realm    {}: cookie {}{}",
                realm.realm.name().as_str(),
                realm.realm.cookie().as_str(),
                realm.cookie.attributes
            ))?;
        }
        for (name, policy) in site.policies() {
            say(format_args!("policy   {name}: realm {}", policy.realm.realm.name().as_str()))?;
        }
        if settings.audit.to != AuditTo::None {
            say(format_args!("audit    {}", settings.audit.to))?;
        }
        match &settings.credentials {
            Some(path) => say(format_args!("access   {}", path.display()))?,
            None => say("warning  credentials: none, so the control listener refuses every call")?,
        }
        if site.policy("default").is_none() {
            say("warning  policy.default: there is none, so /verify/ is 403")?;
        }
        let keys = ring.records().len();
        let plural = if keys == 1 { "" } else { "s" };
        say(format_args!("ring     {}: {keys} key{plural}", dir.ring_path().display()))?;
        say(format_args!("journal  {}", facts::describe(&settings)))?;
        say(format_args!("All of it fits together."))?;
        Ok(())
    }
}
