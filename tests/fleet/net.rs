//! A network for each replica, in which one can be cut off from the others and still be asked by the test. Needs root
//! and iproute2. Addresses are of the range for such tests (RFC 2544).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU8, Ordering};

use crate::setup::Spot;

/// Namespaces and what connects them; gone when it is dropped.
pub struct Net {
    /// What all names begin with: the interfaces of one machine share them, in 15 characters.
    id: String,
    /// Third byte of the addresses by which the test asks.
    part: u8,
    count: u8,
}

impl Net {
    /// One for so many replicas; `None`, and a line that says why, where it can't be had.
    pub fn new(count: u8) -> Option<Self> {
        static PARTS: AtomicU8 = AtomicU8::new(0);
        // Other processes may run these tests at the same time.
        let process = u8::try_from(std::process::id() % 251).expect("less than 256");
        let part = PARTS.fetch_add(1, Ordering::Relaxed).wrapping_add(process);
        let net = Self { id: format!("sp{}x{part}", std::process::id()), part, count };
        match net.build() {
            Ok(()) => Some(net),
            // Whoever demands it is not content with a line.
            Err(why) if std::env::var_os("SEALPASS_REQUIRE_NETNS").is_some() => panic!("no network namespaces: {why}"),
            Err(why) => {
                eprintln!("skipped: no network namespaces ({}); run it as root, with iproute2", why.trim());
                None
            }
        }
    }

    pub fn spots(&self) -> Vec<Spot> {
        (0..self.count)
            .map(|at| Spot {
                by: ["ip", "netns", "exec", &self.space(at)].map(str::to_owned).to_vec(),
                http: IpAddr::V4(Ipv4Addr::new(198, 18, self.part, at * 4 + 2)),
                peers: SocketAddr::from(([198, 19, 0, at + 1], 7447)),
            })
            .collect()
    }

    /// Takes the link of one replica to all others away, both ways.
    pub fn cut(&self, at: u8) {
        self.link(at, "down");
    }

    pub fn heal(&self, at: u8) {
        self.link(at, "up");
    }

    fn build(&self) -> Result<(), String> {
        let hub = self.hub();
        ip(&format!("netns add {hub}"))?;
        ip(&format!("-n {hub} link add hub type bridge"))?;
        ip(&format!("-n {hub} link set hub up"))?;
        (0..self.count).try_for_each(|at| self.build_one(at))
    }

    fn build_one(&self, at: u8) -> Result<(), String> {
        let (id, hub, space, part) = (&self.id, self.hub(), self.space(at), self.part);
        let (test, own) = (at * 4 + 1, at * 4 + 2);
        for words in [
            format!("netns add {space}"),
            format!("-n {space} link set lo up"),
            format!("link add {id}t{at} type veth peer name test netns {space}"),
            format!("address add 198.18.{part}.{test}/30 dev {id}t{at}"),
            format!("link set {id}t{at} up"),
            format!("-n {space} address add 198.18.{part}.{own}/30 dev test"),
            format!("-n {space} link set test up"),
            format!("-n {hub} link add p{at} type veth peer name peers netns {space}"),
            format!("-n {hub} link set p{at} master hub up"),
            format!("-n {space} address add 198.19.0.{}/24 dev peers", at + 1),
            format!("-n {space} link set peers up"),
        ] {
            ip(&words)?;
        }
        Ok(())
    }

    fn link(&self, at: u8, state: &str) {
        ip(&format!("-n {} link set p{at} {state}", self.hub())).expect("it is there");
    }

    fn hub(&self) -> String {
        format!("{}h", self.id)
    }

    fn space(&self, at: u8) -> String {
        format!("{}n{at}", self.id)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // Whatever was made of it; interfaces go with their namespaces.
        for space in (0..self.count).map(|at| self.space(at)).chain([self.hub()]) {
            let _ = ip(&format!("netns delete {space}"));
        }
    }
}

fn ip(words: &str) -> Result<(), String> {
    let run = Command::new("ip").args(words.split(' ')).output();
    match run.map_err(|error| format!("ip: {error}"))? {
        Output { status, .. } if status.success() => Ok(()),
        Output { stderr, .. } => Err(format!("ip {words}: {}", String::from_utf8_lossy(&stderr))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;
    use crate::common::wait_for;

    /// Without this a test of a partition could pass on a net that never parts.
    #[test]
    fn a_cut_link_carries_nothing_between_replicas_and_the_test_still_gets_through() {
        let Some(net) = Net::new(3) else { return };
        // Nobody listens there: a refusal says that the question arrived.
        let reaches = |from: u8, to: u8| {
            let ask = format!("exec 3<>/dev/tcp/198.19.0.{}/9", to + 1);
            let words = ["netns", "exec", &net.space(from), "timeout", "1", "bash", "-c", &ask];
            let Output { stderr, .. } = Command::new("ip").args(words).env("LC_ALL", "C").output().expect("it runs");
            String::from_utf8_lossy(&stderr).contains("Connection refused")
        };
        let asked = |at: u8| {
            let to = SocketAddr::new(net.spots()[usize::from(at)].http, 9);
            let refused = TcpStream::connect_timeout(&to, Duration::from_secs(5)).expect_err("nobody listens");
            refused.kind() == ErrorKind::ConnectionRefused
        };
        assert!(reaches(0, 1) && reaches(1, 2) && reaches(2, 0));
        net.cut(2);
        assert!(!reaches(0, 2) && !reaches(2, 1) && reaches(0, 1));
        assert!((0..3).all(asked), "a refusal comes from there, and not from a net that is down");
        net.heal(2);
        // An address that was not resolved is asked for again after a second.
        wait_for("the link carries again", || reaches(0, 2) && reaches(2, 1));
    }
}
