//! HAProxy with the Lua action.

use std::net::TcpListener;
use std::process::Child;

use crate::rig::{Place, Proxy, Quirks};

pub const HAPROXY: Proxy = Proxy {
    name: "haproxy",
    programs: &["haproxy"],
    start,
    quirks: Quirks { own_login_redirect: false },
    own: &[],
};

fn start(place: &Place) -> Child {
    place.print("haproxy", &[]);
    let ask = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port on loopback");
    let mut command = place.command();
    command.env("SEALPASS_ASK", ask.to_string()).args(["-db", "-f", "haproxy.cfg"]);
    command.spawn().expect("haproxy starts")
}
