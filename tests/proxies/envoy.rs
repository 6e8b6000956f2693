//! Envoy with `ext_authz` over HTTP.

use std::process::Child;

use crate::rig::{Place, Proxy, Quirks};

pub const ENVOY: Proxy = Proxy {
    name: "envoy",
    programs: &["envoy"],
    start,
    quirks: Quirks { own_login_redirect: false },
    own: &[],
};

fn start(place: &Place) -> Child {
    place.print("envoy", &[]);
    let mut command = place.command();
    command.args(["-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "2", "-l", "warn"]);
    command.spawn().expect("envoy starts")
}
