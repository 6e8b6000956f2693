//! What `[cluster]` means: a replica's place among others. A [`Membership`] can't exist that contradicts itself.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::cluster::{Availability, ClusterRole, ClusterSettings};
use super::settings::Settings;
use crate::cluster::member::{Core, MAX_CORE, MemberError, Name, Role};

/// A replica's place in a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// What it is called.
    pub name: Name,
    /// Whether it counts.
    pub role: Role,
    /// The places of the core.
    pub core: Core,
    /// Where others listen, each `host:port`.
    pub peers: Vec<String>,
    /// Where it listens for others.
    pub listen: SocketAddr,
    /// Files with cluster secrets under which others may present themselves.
    pub accept_secrets: Vec<PathBuf>,
    /// How long a call waits for the others if it does not say.
    pub wait_timeout: Duration,
    /// Whether verify goes on while the replica is cut off.
    pub goes_on: bool,
}

/// Settings of `[cluster]` that contradict each other. Each text is one line that names the key and the remedy.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MembershipError {
    /// No size.
    #[error("cluster.size is {0}; a core has 1 or 3 replicas, and {MAX_CORE} at the very most (edges don't count)")]
    Size(usize),
    /// A setting of a fleet where there is one replica.
    #[error(
        "cluster.{0} is for several replicas, and cluster.size says that there is one; set cluster.size = 3, or take it out"
    )]
    Alone(&'static str),
    /// An edge of nothing.
    #[error(
        "cluster.role = \"edge\": it needs a core to learn from; set cluster.size to the number of replicas in the core"
    )]
    EdgeOfNone,
    /// Nobody to find.
    #[error(
        "cluster.peers is empty, so this replica would find nobody; name at least one other as host:port, or give --peer"
    )]
    NoPeer,
    /// No address.
    #[error("cluster.peers: {0:?} is no address of a replica; write host:port, such as sealpass-0.sealpass:{PORT}")]
    Peer(String),
    /// No name.
    #[error("cluster.name: {name:?} can't be one; {problem}; set cluster.name")]
    Name {
        /// What was configured, or what the host is called.
        name: String,
        /// What is wrong.
        problem: MemberError,
    },
    /// Names in the core that are none.
    #[error("cluster.core: {0}")]
    Core(MemberError),
    /// Not as many names as places.
    #[error("cluster.core has {names} names and cluster.size is {size}; make them agree")]
    Names {
        /// How many names.
        names: usize,
        /// How many places.
        size: usize,
    },
    /// No place for it, by names.
    #[error(
        "cluster.name: {0} is not in cluster.core; list it there, set cluster.name to its name, or cluster.role = \"edge\""
    )]
    NotListed(Name),
    /// No place for it, by ordinals.
    #[error(
        "cluster.name: {name} has no place in a core of {size}, whose names end in -0 to -{}; set cluster.name, list the names in cluster.core, or set cluster.role = \"edge\"", size - 1
    )]
    NoOrdinal {
        /// What it is called.
        name: Name,
        /// How many places.
        size: usize,
    },
    /// An edge in the core.
    #[error(
        "cluster.role is \"edge\" and {0} is in cluster.core; set cluster.role = \"core\", or give it another name"
    )]
    EdgeInCore(Name),
    /// Nobody could find it.
    #[error("cluster.listen: a replica of the core needs a port that others know; {PORT} is the usual one")]
    Port,
    /// No time.
    #[error("cluster.wait_timeout lies above 0s and at 30s at the most; leave it out for 2s")]
    WaitTimeout,
}

impl Membership {
    /// The place of this replica; `None` if it is alone.
    ///
    /// # Errors
    /// [`MembershipError`] says in one line what is wrong.
    pub fn of(settings: &Settings) -> Result<Option<Self>, MembershipError> {
        let cluster = &settings.cluster;
        if !(1..=MAX_CORE).contains(&cluster.size) {
            return Err(MembershipError::Size(cluster.size));
        }
        let core = places(cluster)?;
        if cluster.size == 1 {
            return alone(cluster).map(|()| None);
        }
        if cluster.peers.is_empty() {
            return Err(MembershipError::NoPeer);
        }
        if let Some(wrong) = cluster.peers.iter().find(|peer| !is_address(peer)) {
            return Err(MembershipError::Peer(wrong.clone()));
        }
        if cluster.wait_timeout.is_zero() || cluster.wait_timeout > LONGEST_WAIT {
            return Err(MembershipError::WaitTimeout);
        }
        let name = cluster.name.clone().unwrap_or_else(host_name);
        let name = Name::new(&name).map_err(|problem| MembershipError::Name { name, problem })?;
        let listen = cluster.listen.unwrap_or(SocketAddr::from(([0, 0, 0, 0], PORT)));
        Ok(Some(Self {
            role: role(cluster, &core, &name, listen)?,
            name,
            core,
            peers: cluster.peers.clone(),
            listen,
            accept_secrets: cluster.accept_secrets.clone(),
            wait_timeout: cluster.wait_timeout,
            goes_on: cluster.availability == Availability::Prefer,
        }))
    }

    /// What is no contradiction and yet hardly meant: one line each.
    pub fn warnings(&self) -> Vec<String> {
        let size = self.core.size();
        let even = size.is_multiple_of(2).then(|| {
            let same = self.core.size() - self.core.majority();
            format!("cluster.size = {size} survives the loss of {same}, as {} would; use 1 or 3", size - 1)
        });
        let prefer = self.goes_on.then(|| {
            "cluster.availability = \"prefer\": while this replica is cut off, sessions that were ended elsewhere are let in"
                .to_owned()
        });
        let accepts = (!self.accept_secrets.is_empty()).then(|| {
            "cluster.accept_secrets: whoever holds one of these takes part in the fleet; take them out once every replica presents the new one"
                .to_owned()
        });
        even.into_iter().chain(prefer).chain(accepts).collect()
    }
}

/// What the system calls this machine; in a container, what its platform calls that.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn places(cluster: &ClusterSettings) -> Result<Core, MembershipError> {
    let ClusterSettings { core, size, .. } = cluster;
    if core.is_empty() {
        return Core::of_ordinals(*size).map_err(MembershipError::Core);
    }
    let names: Result<_, _> = core.iter().map(|name| Name::new(name)).collect();
    let places = names.and_then(Core::of_names).map_err(MembershipError::Core)?;
    if core.len() == *size { Ok(places) } else { Err(MembershipError::Names { names: core.len(), size: *size }) }
}

/// One replica has nobody to set anything up with.
fn alone(cluster: &ClusterSettings) -> Result<(), MembershipError> {
    if cluster.role == ClusterRole::Edge {
        return Err(MembershipError::EdgeOfNone);
    }
    let set = [
        ("peers", !cluster.peers.is_empty()),
        ("core", !cluster.core.is_empty()),
        ("listen", cluster.listen.is_some()),
        ("accept_secrets", !cluster.accept_secrets.is_empty()),
        ("availability", cluster.availability != Availability::Strict),
        ("wait_timeout", cluster.wait_timeout != ClusterSettings::WAIT),
    ];
    set.iter().find(|(_, set)| *set).map_or(Ok(()), |(key, _)| Err(MembershipError::Alone(key)))
}

fn role(cluster: &ClusterSettings, core: &Core, name: &Name, listen: SocketAddr) -> Result<Role, MembershipError> {
    match (cluster.role, core.slot(name)) {
        // By ordinals it can't be told: web-1 may be the name of any host.
        (ClusterRole::Edge, Some(_)) if !cluster.core.is_empty() => Err(MembershipError::EdgeInCore(name.clone())),
        (ClusterRole::Edge, _) => Ok(Role::Edge),
        (ClusterRole::Core, None) if cluster.core.is_empty() => {
            Err(MembershipError::NoOrdinal { name: name.clone(), size: core.size() })
        }
        (ClusterRole::Core, None) => Err(MembershipError::NotListed(name.clone())),
        (ClusterRole::Core, Some(_)) if listen.port() == 0 => Err(MembershipError::Port),
        (ClusterRole::Core, Some(_)) => Ok(Role::Core),
    }
}

/// Whether it is `host:port`, where the host is a name or an address; IPv6 in brackets.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let port = port.bytes().all(|digit| digit.is_ascii_digit()) && port.parse().is_ok_and(|port: u16| port > 0);
    let v6 = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    port && v6.map_or_else(|| Name::new(host).is_ok(), |v6| v6.parse::<Ipv6Addr>().is_ok())
}

/// Where replicas listen for one another.
const PORT: u16 = 7447;
const LONGEST_WAIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for right in ["a:1", "sealpass-0.sealpass:7447", "192.0.2.1:65535", "[::1]:7447", "[2001:db8::1]:1"] {
            assert!(is_address(right), "{right}");
        }
        for wrong in [
            "",
            ":",
            "a",
            "a:",
            ":7447",
            "a:0",
            "a:65536",
            "a:+1",
            "::1:7447",
            "[::1]",
            "[x]:1",
            "quic/a:1",
            "http://a:1",
            "a b:1",
            "a:1/",
            "a:7447,b:7447",
        ] {
            assert!(!is_address(wrong), "{wrong}");
        }
    }
}
