//! What operators are handed to watch the service by: alert rules, their tests and a dashboard. Every metric that they name is
//! one that the service has, every one that it has is explained in the manual, and so is every alert.
//!
//! `promtool` checks the rest, and a Prometheus that watches a fleet answers every question of the dashboard (`apt-get install
//! prometheus`); Grafana's own description says whether it is one (`pip install -r tests/deploy/requirements.txt`). Where one is
//! not there, that is passed over, unless `SEALPASS_REQUIRE_PROMTOOL` is set.

#[path = "deploy/alerts.rs"]
mod alerts;
#[expect(dead_code, unused_imports, reason = "each test crate uses its part")]
mod common;
#[path = "deploy/dashboard.rs"]
mod dashboard;
