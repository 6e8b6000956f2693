//! Links that zenoh does not make on its own.
//!
//! Of a name that leads to many replicas, as that of a headless service, zenoh takes the first address alone, and stops
//! when one link stands. Resolvers put the address of the asking machine first, so that a replica which is behind the
//! name itself would dial itself for ever. And a link that came by gossip is not dialled again when it breaks. So all
//! addresses are looked up, again and again; while fewer links stand than there are others, or than once stood, a
//! second, short session dials ourselves and all of them. By its gossip they learn of each other, and link without it.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use zenoh::{Session, Wait as _};

use super::super::certificate::Certificates;
use super::settings;

/// Who is looked up, and what is needed to dial them.
pub struct Names {
    peers: Vec<String>,
    /// Whether all are addresses, which zenoh dials itself until they answer.
    plain: bool,
    own: SocketAddr,
    certificates: Certificates,
    lookup: Lookup,
}

/// All addresses behind a `host:port`; none if it can't be looked up now.
pub type Lookup = Arc<dyn Fn(&str) -> Vec<SocketAddr> + Send + Sync>;

/// The system's.
pub fn system() -> Lookup {
    Arc::new(|name| name.to_socket_addrs().map(Iterator::collect).unwrap_or_default())
}

impl Names {
    /// `None` without peers. `own` is where we listen.
    pub fn new(peers: &[String], own: SocketAddr, certificates: Certificates, lookup: Lookup) -> Option<Self> {
        let plain = peers.iter().all(|peer| peer.parse::<SocketAddr>().is_ok());
        (!peers.is_empty()).then(|| Self { peers: peers.to_vec(), plain, own, certificates, lookup })
    }

    /// Looks them up until what is returned is dropped, on a thread of its own: a look-up may block for as long as the
    /// resolver likes. `None` if there is no thread to be had; then only what zenoh finds is linked.
    pub fn follow(self, session: &Session) -> Option<Sender<()>> {
        let ((following, stop), session) = (channel(), session.clone());
        let run = move || self.run(&session, &stop);
        thread::Builder::new().name("names".to_owned()).spawn(run).ok().map(|_| following)
    }

    fn run(&self, session: &Session, stop: &Receiver<()>) {
        let mut watch = Watch::default();
        while stop.recv_timeout(watch.pause) == Err(RecvTimeoutError::Timeout) {
            let others = self.others();
            let named = if self.plain { 0 } else { others.len() };
            // Those whose addresses are given are dialled by zenoh, for as long as they are missing.
            let dialled = self.plain && others.len() >= watch.wanted(named);
            if !dialled
                && watch.lacks(links(session), named)
                && !self.introduce(session, &others, watch.wanted(named), stop)
            {
                return;
            }
            watch.wait(links(session), named);
        }
    }

    /// All addresses of the peers but our own.
    fn others(&self) -> Vec<SocketAddr> {
        let found = self.peers.iter().flat_map(|name| (self.lookup)(name));
        let mut others: Vec<_> = found.filter(|address| !is_own(*address, self.own)).collect();
        others.sort_unstable();
        others.dedup();
        others.truncate(MAX_OTHERS);
        others
    }

    /// Whether to go on.
    fn introduce(&self, session: &Session, others: &[SocketAddr], wanted: usize, stop: &Receiver<()>) -> bool {
        let peers: Vec<_> = others.iter().chain([&dialled(self.own)]).map(ToString::to_string).collect();
        let Ok(mut config) = settings::config(None, &peers, &self.certificates) else { return true };
        if config.insert_json5("id", &format!("\"{}\"", id_between(session))).is_err() {
            return true;
        }
        let Ok(between) = zenoh::open(config).wait() else { return true };
        let start = Instant::now();
        let mut go_on = true;
        while go_on && links(session) < wanted && start.elapsed() < INTRODUCTION {
            go_on = stop.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout);
        }
        drop(between.close().wait());
        go_on
    }
}

/// How many links there should be, and when to look again.
#[derive(Debug, Default)]
struct Watch {
    most: usize,
    /// How many there were, and how often it was looked since that changed.
    last: usize,
    looks: u32,
    pause: Duration,
}

impl Watch {
    /// Whether links are missing that zenoh does not make by itself. `named` are the others behind names.
    fn lacks(&self, links: usize, named: usize) -> bool {
        links < self.wanted(named) && (links > 0 || named > 0)
    }

    fn wanted(&self, named: usize) -> usize {
        self.most.max(named)
    }

    /// Looks again soon, and less often while those who are missing may be gone for good.
    fn wait(&mut self, links: usize, named: usize) {
        self.most = self.most.max(links);
        self.looks = if links == self.last { self.looks.saturating_add(1) } else { 0 };
        self.last = links;
        let (first, longest) = if links == 0 { ALONE } else { LINKED };
        // Each session that introduces costs memory, which zenoh does not give back.
        let longest = if links > 0 && self.looks > LOOKS { GONE } else { longest };
        let missing = links < self.wanted(named);
        self.pause = if missing { (self.pause * 2).clamp(first, longest) } else { first };
    }
}

/// Links to replicas. Sessions that introduce are not among them, whoever's they are: nobody shall miss them later.
fn links(session: &Session) -> usize {
    session.info().peers_zid().wait().filter(|id| !id.to_string().starts_with(BETWEEN)).count()
}

/// The id of the session by which the replica of `session` introduces. An id is at most 32 digits long.
fn id_between(session: &Session) -> String {
    let own = session.zid().to_string();
    BETWEEN.chars().chain(own.chars().rev()).take(32).collect()
}

fn is_own(address: SocketAddr, own: SocketAddr) -> bool {
    let here = |ip: IpAddr| UdpSocket::bind((ip, 0)).is_ok();
    address.port() == own.port() && (address.ip() == own.ip() || own.ip().is_unspecified() && here(address.ip()))
}

/// Where one who listens at `own` is found on the same machine.
fn dialled(own: SocketAddr) -> SocketAddr {
    let ip = match own.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, own.port())
}

/// How the ids of sessions that introduce begin.
const BETWEEN: &str = "5ea1be73ee9";
/// From when to when to look again: without any link, and with some.
const ALONE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
const LINKED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// After so many looks that changed nothing, those who are missing seem to be gone for good, and it is looked this seldom.
const LOOKS: u32 = 10;
const GONE: Duration = Duration::from_secs(3_600);
/// After this long, what could be reached has been.
const INTRODUCTION: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(50);
/// More than a mesh without routers bears.
const MAX_OTHERS: usize = 64;

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};

    use super::super::{LinkSettings, ZenohLink};
    use super::*;
    use crate::clock::{Clock as _, SystemClock};
    use crate::cluster::link::Link as _;
    use crate::cluster::link::seal::PeerKeys;
    use crate::cluster::member::{ReplicaId, Role};
    use crate::cluster::node::To;
    use crate::entropy::SystemEntropy;
    use crate::keyring::file::ClusterSecret;
    use crate::secret::Secret;

    fn at(address: &str) -> SocketAddr {
        address.parse().expect("an address")
    }

    fn secrets() -> Vec<ClusterSecret> {
        vec![Secret::from_slice(&[1; 32]).expect("32 bytes")]
    }

    fn open(id: u8, listen: SocketAddr, peers: &[&str], lookup: Lookup) -> (ZenohLink, mpsc::Receiver<Vec<u8>>) {
        let (came, inbox) = channel();
        let settings = LinkSettings {
            listen,
            peers: peers.iter().map(ToString::to_string).collect(),
            secrets: secrets(),
            id: ReplicaId([id; 16]),
            role: Role::Core,
            now: SystemClock.now(),
            entropy: Arc::new(SystemEntropy::new()),
        };
        let came = Mutex::new(came);
        let deliver = move |payload: &[u8]| _ = came.lock().expect("no panics").send(payload.to_vec());
        (ZenohLink::open_by(settings, Arc::new(deliver), lookup).expect("it listens"), inbox)
    }

    /// A session that introduces is no link, and one that does not is.
    #[test]
    fn those_who_introduce_are_not_counted() {
        let open = |id: &str, listen, peers: &[String]| {
            let keys = PeerKeys::new(&secrets().iter().collect::<Vec<_>>()).expect("a secret");
            let certificates = Certificates::new(&keys, SystemClock.now()).expect("made");
            let mut config = settings::config(listen, peers, &certificates).expect("a configuration");
            config.insert_json5("id", &format!("\"{id}\"")).expect("an id");
            zenoh::open(config).wait().expect("a session")
        };
        let listen = settings::free(at("127.0.0.1:0")).expect("a free port");
        let session = open("abc1", Some(listen), &[]);
        let between = open(&id_between(&session), None, &[listen.to_string()]);
        let start = Instant::now();
        while session.info().peers_zid().wait().count() == 0 && start.elapsed() < Duration::from_secs(20) {
            thread::yield_now();
        }
        assert_eq!((session.info().peers_zid().wait().count(), links(&session)), (1, 0));
        let _other = open("abc2", None, &[listen.to_string()]);
        while links(&session) == 0 && start.elapsed() < Duration::from_secs(20) {
            thread::yield_now();
        }
        assert_eq!(links(&session), 1);
        drop(between.close().wait());
    }

    /// Sends until it arrives.
    fn reaches(from: &ZenohLink, inbox: &mpsc::Receiver<Vec<u8>>, mark: &[u8]) -> bool {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            from.send(To::All, mark.to_vec());
            let until = Instant::now() + Duration::from_millis(50);
            while let Ok(payload) = inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
                if payload == mark {
                    return true;
                }
            }
        }
        false
    }

    /// The first address is our own, as resolvers order them; the others have nobody to dial and wait.
    #[test]
    fn all_behind_a_name_are_linked_each_with_each() {
        let nothing: Lookup = Arc::new(|_| Vec::new());
        let any = at("127.0.0.1:0");
        let (b, b_inbox) = open(2, any, &[], Arc::clone(&nothing));
        let (c, c_inbox) = open(3, any, &[], nothing);
        let (own, b_at, c_at) = (settings::free(any).expect("a free port"), b.local_address(), c.local_address());
        let lookup: Lookup = Arc::new(move |_| vec![own, b_at, c_at]);
        let (a, a_inbox) = open(1, own, &["many.invalid:7447"], lookup);
        assert!(reaches(&a, &b_inbox, b"a to b") && reaches(&a, &c_inbox, b"a to c"));
        assert!(reaches(&b, &c_inbox, b"b to c") && reaches(&c, &b_inbox, b"c to b"));
        assert!(reaches(&b, &a_inbox, b"b to a") && reaches(&c, &a_inbox, b"c to a"));
        let strangers = [a, b, c].map(|link| link.counts().strangers);
        assert_eq!(strangers, [0; 3]);
    }

    #[test]
    fn links_that_once_stood_are_missed_and_sought_less_and_less_often() {
        let mut watch = Watch::default();
        assert!(!watch.lacks(0, 0), "zenoh dials addresses by itself");
        assert!(watch.lacks(0, 2) && watch.lacks(1, 2) && !watch.lacks(2, 2));
        watch.wait(2, 0);
        assert_eq!(watch.pause, LINKED.0);
        assert!(!watch.lacks(2, 0) && watch.lacks(1, 0), "one is gone");
        watch.wait(1, 0);
        assert_eq!(watch.pause, LINKED.0 * 2);
        (0..10).for_each(|_| watch.wait(1, 0));
        assert_eq!(watch.pause, LINKED.1);
        (0..10).for_each(|_| watch.wait(1, 0));
        assert_eq!(watch.pause, GONE);
        watch.wait(2, 0);
        assert_eq!(watch.pause, LINKED.0);
    }

    #[test]
    fn ones_own_address_is_known_by_any_of_its_spellings() {
        for (address, own, is) in [
            ("127.0.0.1:7447", "127.0.0.1:7447", true),
            ("127.0.0.1:7447", "0.0.0.0:7447", true),
            ("127.0.0.1:7448", "0.0.0.0:7447", false),
            ("192.0.2.1:7447", "0.0.0.0:7447", false),
            ("127.0.0.1:7447", "127.0.0.2:7447", false),
        ] {
            assert_eq!(is_own(at(address), at(own)), is, "{address} of {own}");
        }
        assert_eq!(dialled(at("0.0.0.0:7447")), at("127.0.0.1:7447"));
        assert_eq!(dialled(at("[::]:7447")), at("[::1]:7447"));
        assert_eq!(dialled(at("192.0.2.1:7447")), at("192.0.2.1:7447"));
    }
}
