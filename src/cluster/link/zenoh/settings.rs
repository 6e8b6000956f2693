//! zenoh's configuration: what Sealpass decides, and no more.

use std::net::{SocketAddr, UdpSocket};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zenoh::Config;

use super::super::LinkError;
use super::super::certificate::Certificates;

/// `listen`, with a free port in place of 0, if it can be listened at: zenoh tells neither its port nor why it can't.
pub fn free(listen: SocketAddr) -> Result<SocketAddr, LinkError> {
    let bound = UdpSocket::bind(listen).and_then(|socket| socket.local_addr());
    bound.map_err(|source| LinkError::Listen { address: listen, source })
}

/// The configuration of a link that listens at `listen`, or nowhere, and dials `peers`.
pub fn config(listen: Option<SocketAddr>, peers: &[String], certificates: &Certificates) -> Result<Config, LinkError> {
    let peers = peers.iter().map(|peer| endpoint(peer)).collect::<Result<Vec<_>, _>>()?;
    let mut config = Config::default();
    for (key, value) in general(listen, &peers).into_iter().chain(tls(certificates)) {
        config.insert_json5(key, &value.to_string()).map_err(|_| LinkError::Engine)?;
    }
    Ok(config)
}

fn general(listen: Option<SocketAddr>, peers: &[String]) -> Vec<(&'static str, Value)> {
    let listen: Vec<_> = listen.iter().map(|address| format!("quic/{address}")).collect();
    let retry = json!({ "period_init_ms": 100, "period_max_ms": 1_000, "period_increase_factor": 2 });
    vec![
        ("mode", json!("peer")),
        ("listen/endpoints", json!(listen)),
        ("listen/exit_on_failure", json!(true)),
        ("connect/endpoints", json!(peers)),
        ("connect/exit_on_failure", json!(false)),
        ("connect/timeout_ms", json!(-1)),
        ("connect/retry", retry),
        ("scouting/multicast/enabled", json!(false)),
        ("scouting/gossip/enabled", json!(true)),
        ("scouting/delay", json!(50)),
        // Nobody steers a replica through its links.
        ("adminspace/enabled", json!(false)),
        ("transport/unicast/open_timeout", json!(2_000)),
        ("transport/unicast/accept_timeout", json!(2_000)),
        // A peer that is gone without a word is forgotten after this many ms.
        ("transport/link/tx/lease", json!(2_000)),
        // One that takes nothing in for this many µs is cut off, since all others wait for it meanwhile.
        ("transport/link/tx/queue/congestion_control/block/wait_before_close", json!(1_000_000)),
        ("transport/link/rx/max_message_size", json!(MAX_RECEIVED)),
        ("transport/link/tx/batch_size", json!(BATCH)),
        ("transport/link/protocols", json!(["quic"])),
    ]
}

fn tls(certificates: &Certificates) -> Vec<(&'static str, Value)> {
    let base64 = |pem: &str| json!(STANDARD.encode(pem));
    vec![
        ("transport/link/tls/root_ca_certificate_base64", base64(&certificates.authorities)),
        ("transport/link/tls/listen_certificate_base64", base64(&certificates.certificate)),
        ("transport/link/tls/listen_private_key_base64", base64(&certificates.key)),
        ("transport/link/tls/connect_certificate_base64", base64(&certificates.certificate)),
        ("transport/link/tls/connect_private_key_base64", base64(&certificates.key)),
        ("transport/link/tls/enable_mtls", json!(true)),
        ("transport/link/tls/verify_name_on_connect", json!(false)),
    ]
}

/// `quic/host:port`. Nothing of zenoh's syntax for more than an address passes.
fn endpoint(peer: &str) -> Result<String, LinkError> {
    let wrong = || LinkError::Peer(peer.chars().take(MAX_SHOWN).collect());
    let (host, port) = peer.rsplit_once(':').ok_or_else(wrong)?;
    let named = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let v6 = v6.is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    let port: u16 = port.parse().map_err(|_| wrong())?;
    if host.is_empty() || port == 0 || !(named || v6) {
        return Err(wrong());
    }
    Ok(format!("quic/{host}:{port}"))
}

/// Larger than any message, so that a peer can't make us hold more.
const MAX_RECEIVED: usize = 2 << 20;
/// What is sent at a time, in bytes: zenoh takes a buffer of this size for each message that comes, however short, and
/// most are far shorter. Longer ones are sent in pieces. Two replicas use the smaller of theirs.
const BATCH: usize = 16 << 10;
const MAX_SHOWN: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_hosts_with_ports_and_nothing_else() {
        for peer in ["a:1", "sealpass-0.sealpass.svc:7447", "127.0.0.1:7447", "[::1]:7447"] {
            assert_eq!(endpoint(peer).expect("a peer"), format!("quic/{peer}"));
        }
        for peer in [
            "",
            "a",
            "a:",
            ":1",
            "a:0",
            "a:65536",
            "a b:1",
            "tcp/a:1",
            "a:1?rel=0",
            "a:1#x=y",
            "::1:1",
            "[a]:1",
            "a;b:1",
        ] {
            assert!(matches!(endpoint(peer), Err(LinkError::Peer(_))), "{peer}");
        }
    }
}
