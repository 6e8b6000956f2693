//! What the sub-request adds: the same proxy, the same application, a path with and a path without it, in turns.

use std::time::{Duration, Instant};

use crate::rig::{Proxy, Rig};
use crate::wire::Wire;

/// A line with medians and 99th percentiles.
pub fn of(proxy: &Proxy) -> String {
    let rig = Rig::start(proxy, "30m");
    let alice = rig.alice();
    let mut wire = Wire::open(rig.proxy).expect("connected");
    let ask = |wire: &mut Wire, path: &str| {
        let begun = Instant::now();
        let head = format!("GET {path} HTTP/1.1\r\nHost: app.example.com\r\nCookie: {alice}\r\n\r\n");
        wire.send(head.as_bytes()).expect("sent");
        assert_eq!(wire.answer(false).expect("answered").status, 200, "{path}");
        begun.elapsed()
    };
    let (mut guarded, mut open) = (Vec::new(), Vec::new());
    for round in 0..WARM_UP + ROUNDS {
        if round % 400 == 0 {
            wire = Wire::open(rig.proxy).expect("connected"); // nginx closes one after 1,000 requests
        }
        let (with, without) = (ask(&mut wire, "/"), ask(&mut wire, "/login"));
        if round >= WARM_UP {
            guarded.push(with);
            open.push(without);
        }
    }
    let [(with, with_99), (without, without_99)] = [guarded, open].map(|times| (at(&times, 50), at(&times, 99)));
    format!(
        "{:<9} with the sub-request p50 {with:.2?}, p99 {with_99:.2?}; without p50 {without:.2?}, p99 {without_99:.2?}; it adds {:.2?} to the median",
        proxy.name,
        with.saturating_sub(without),
    )
}

fn at(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[(sorted.len() - 1) * percent / 100]
}

const WARM_UP: usize = 100;
const ROUNDS: usize = 1_000;
