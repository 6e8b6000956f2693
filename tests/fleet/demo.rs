//! `sealpass demo-fleet`, as the README has it.

use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Place, sealpass};

#[test]
fn demo_fleet_shows_a_fleet_and_ends() {
    let place = Place::new();
    let mut command = sealpass(&["demo-fleet"], &[]);
    command.current_dir(place.0.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("it starts");
    let id = Pid::from_child(&child);
    let (told, ended) = mpsc::channel();
    thread::spawn(move || told.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(LIMIT) else {
        let _ = kill_process(id, Signal::TERM); // it ends what it started
        panic!("it does not end");
    };
    let output = output.expect("an output");
    let (printed, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{printed}{wrong}");
    for line in SHOWN {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    assert_eq!(place.entries(), Vec::<String>::new(), "it leaves nothing behind");
}

/// One line of each scene.
const SHOWN: [&str; 6] = [
    "is ready after",
    "refuses her cookie (401)",
    "It seals new tokens from",
    "Two of three are a majority",
    "it answers 503 rather than guess",
    "is ready and knows of that logout",
];
/// It takes half a minute where nothing else runs.
const LIMIT: Duration = Duration::from_secs(150);
