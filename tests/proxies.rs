//! The documented proxy configurations, run as they stand in front of the real binary and an application.
//!
//! Needs nginx: `apt-get install nginx`. Without it nothing is checked and one line says so; with
//! `SEALPASS_REQUIRE_NGINX=1` that is a failure. `cargo test --test proxies -- --nocapture` prints what passed.
#![cfg(feature = "server")]

#[path = "proxies/app.rs"]
mod app;
#[path = "proxies/checks.rs"]
mod checks;
#[path = "proxies/rig.rs"]
mod rig;
#[path = "proxies/wire.rs"]
mod wire;

use std::panic::{AssertUnwindSafe, catch_unwind};

use rig::{NGINX_CONF, Rig};

#[test]
fn behind_nginx_every_check_passes() {
    if !rig::has_nginx() {
        assert!(std::env::var_os("SEALPASS_REQUIRE_NGINX").is_none(), "nginx is not installed");
        println!("skipped: nginx is not installed; apt-get install nginx");
        return;
    }
    let mut failed = 0;
    let mut rig = Rig::start("30m");
    let mut brief = Rig::start("6s"); // renewal is due within a second
    let mut run = |name: &str, check: &mut dyn FnMut()| {
        let passed = catch_unwind(AssertUnwindSafe(check)).is_ok();
        failed += usize::from(!passed);
        println!("nginx  {}  {name}", if passed { "pass" } else { "FAIL" });
    };
    for (name, check) in checks::CHECKS {
        run(name, &mut || check(&rig));
    }
    for (name, check) in checks::RENEWAL {
        run(name, &mut || check(&brief));
    }
    run("s42 sealpass stopped: 503, the application is not asked", &mut || checks::stopped(&mut rig));
    brief.stop_sealpass();
    assert_eq!(failed, 0, "failed; nginx wrote:\n{}{}", rig.nginx_log(), brief.nginx_log());
}

#[test]
fn the_readme_shows_the_configuration_that_is_tested() {
    let readme = include_str!("../README.md");
    let (_, rest) = NGINX_CONF.split_once("# README: begin\n").expect("a begin mark");
    let (region, _) = rest.split_once("# README: end").expect("an end mark");
    assert!(readme.contains(&format!("```nginx\n{region}```")), "README.md and tests/proxies/nginx.conf differ");
}
