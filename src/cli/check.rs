//! `sealpass check`: what the configuration means, before a port is bound.

use clap::Args;
use sealpass::clock::{Clock as _, SystemClock};
use sealpass::cluster::member::Role;
use sealpass::config::{AuditTo, DEFAULT_FILE, Listener, Membership, Site};
use sealpass::http::{Certificate, Credentials, Grant};

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
        for (chain, key) in [&settings.public, &settings.control].into_iter().filter_map(Listener::tls) {
            Certificate::load(chain, key)?;
        }
        let credentials = settings.credentials.as_deref().map(Credentials::load).transpose()?;
        let membership = Common::membership(&settings)?;
        let dir = Common::ring_dir(&settings);
        // A replica that joins takes the ring from the others, under the cluster secret that it was handed.
        let joins = membership.is_some() && !dir.has_ring();
        let ring = if joins { None } else { Some(dir.load()?) };
        dir.cluster_secrets(membership.as_ref().map_or(&[], |of| &of.accept_secrets))?;
        show_listener("public   ", &settings.public)?;
        show_listener("control  ", &settings.control)?;
        show_site(&site)?;
        if settings.audit.to != AuditTo::None {
            say(format_args!("audit    {}", settings.audit.to))?;
        }
        match &settings.credentials {
            Some(path) => say(format_args!("access   {}", path.display()))?,
            None => say("warning  credentials: none, so the control listener refuses every call")?,
        }
        credentials.iter().flat_map(Credentials::iter).try_for_each(|grant| warn_of(grant, &site))?;
        if site.policy("default").is_none() {
            say("warning  policy.default: there is none, so /verify/ is 403")?;
        }
        if let Some(membership) = &membership {
            show_membership(membership)?;
        }
        let ring_path = dir.ring_path();
        match ring.map(|ring| ring.records().len()) {
            None => say(format_args!("ring     {}: none yet; it comes from the other replicas", ring_path.display()))?,
            Some(1) => say(format_args!("ring     {}: 1 key", ring_path.display()))?,
            Some(keys) => say(format_args!("ring     {}: {keys} keys", ring_path.display()))?,
        }
        say(format_args!("journal  {}", facts::describe(&settings)))?;
        say(format_args!("All of it fits together."))?;
        Ok(())
    }
}

/// What makes a credential good for less than its line says.
fn warn_of(grant: &Grant, site: &Site) -> Result<(), Failure> {
    let (name, now) = (&grant.name, SystemClock.now());
    if let Some(at) = grant.expires().filter(|at| *at <= now) {
        say(format_args!("warning  credential {name:?}: expired at {}", at.rfc3339()))?;
    }
    for realm in grant.realms.iter().filter(|realm| *realm != "*" && site.realm(realm).is_none()) {
        say(format_args!("warning  credential {name:?}: there is no realm called {realm:?}"))?;
    }
    Ok(())
}

fn show_membership(membership: &Membership) -> Result<(), Failure> {
    let Membership { name, core, .. } = membership;
    let role = match membership.role {
        Role::Core => format!("one of {} in the core, of which {} have to be up", core.size(), core.majority()),
        Role::Edge => format!("an edge of a core of {}", core.size()),
    };
    say(format_args!("cluster  {name}: {role}"))?;
    say(format_args!("         listens on {} (UDP); others at {}", membership.listen, membership.peers.join(", ")))?;
    membership.warnings().iter().try_for_each(|warning| say(format_args!("warning  {warning}")))
}

fn show_listener(name: &str, listener: &Listener) -> Result<(), Failure> {
    let certificate = listener.certificate.as_ref().map(|path| format!(", under TLS with {}", path.display()));
    say(format_args!("{name}{}{}", listener.listen, certificate.unwrap_or_default()))
}

fn show_site(site: &Site) -> Result<(), Failure> {
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
    Ok(())
}
