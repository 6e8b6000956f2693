//! How the replicas of a test are set up: names, directories, ports, the cluster secret, and who is told of whom.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use sealpass::entropy::SystemEntropy;
use sealpass::http::NewCredential;

use crate::common::Place;
use crate::rig::{Fleet, Replica};

/// What is the same for all replicas of a fleet.
pub struct Setup {
    /// Replicas in the core.
    pub core: usize,
    /// Replicas at the edge.
    pub edges: usize,
    /// Whether endings outlive a restart of the whole fleet.
    pub journal: bool,
}

/// Where a replica runs.
pub struct Spot {
    pub by: Vec<String>,
    pub http: IpAddr,
    pub peers: SocketAddr,
}

impl Setup {
    pub fn core(core: usize) -> Self {
        Self { core, edges: 0, journal: true }
    }

    pub fn with_edge(self) -> Self {
        Self { edges: self.edges + 1, ..self }
    }

    pub fn without_journals(self) -> Self {
        Self { journal: false, ..self }
    }

    /// A fleet on the loopback.
    pub fn on_loopback(self) -> Fleet {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let ports = free_ports(self.core + self.edges);
        let spots = ports.into_iter().map(|port| Spot { by: Vec::new(), http: here, peers: (here, port).into() });
        self.on(spots.collect())
    }

    /// A fleet on these spots. The first replica has the ring, the others nothing but the cluster secret.
    pub fn on(self, spots: Vec<Spot>) -> Fleet {
        let credential = NewCredential::generate(&SystemEntropy::new()).expect("random bytes");
        let peers: Vec<_> = spots.iter().take(self.core).map(|spot| spot.peers).collect();
        let mut replicas: Vec<Replica> = Vec::new();
        for (at, spot) in spots.into_iter().enumerate() {
            let place = Place::new();
            match replicas.first() {
                None => assert!(place.run(&["keys", "init"], b"").status.success()),
                Some(first) => place.take_secret_of(first.place()),
            }
            let edge = at >= self.core;
            let name = if edge { format!("edge-{at}") } else { format!("s-{at}") };
            let others = peers.iter().filter(|peer| **peer != spot.peers);
            fs::write(place.path("c.toml"), self.configuration(&name, edge, spot.peers, others)).expect("writable");
            place.private("credentials.toml", in_full(&credential).as_bytes());
            let credential = credential.expose().to_owned();
            replicas.push(Replica::new(name, place, credential, spot.by, spot.http));
        }
        Fleet(replicas)
    }

    fn configuration<'a>(
        &self,
        name: &str,
        edge: bool,
        listen: SocketAddr,
        others: impl Iterator<Item = &'a SocketAddr>,
    ) -> String {
        let journal = if self.journal { "keys/facts.redb" } else { "none" };
        let peers: Vec<_> = others.map(ToString::to_string).collect();
        let (role, size) = (if edge { "edge" } else { "core" }, self.core);
        format!(
            "journal = \"{journal}\"\ncredentials = \"credentials.toml\"\n[public]\nworkers = 2\n\
             [cluster]\nsize = {size}\nname = \"{name}\"\nrole = \"{role}\"\nlisten = \"{listen}\"\npeers = {peers:?}\n\
             [realm.default]\npublic_origins = [\"https://app.example.com\"]\n"
        )
    }
}

impl Place {
    /// As an operator who hands a joining replica what it needs.
    pub fn take_secret_of(&self, other: &Self) {
        fs::create_dir(self.path("keys")).expect("writable");
        self.private("keys/cluster.secret", &fs::read(other.path("keys/cluster.secret")).expect("made by init"));
    }
}

/// Ports that nobody listens on. All are held until the last one is known, so that they differ.
pub fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<_> = (0..count).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a port")).collect();
    held.iter().map(|socket| socket.local_addr().expect("bound").port()).collect()
}

/// A credentials file that lets its holder do everything.
fn in_full(credential: &NewCredential) -> String {
    let hash = credential.sha256();
    format!("[[credential]]\nname = \"test\"\nsha256 = \"{hash}\"\nscopes = [\"app\", \"admin\"]\nrealms = [\"*\"]\n")
}
