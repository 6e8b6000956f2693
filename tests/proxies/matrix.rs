//! One column a proxy, one row a check.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::checks;
use crate::rig::{Proxy, Rig};
use crate::tls;

/// What was seen behind one proxy.
pub struct Column {
    proxy: &'static str,
    /// Each check, and what failed.
    cells: Vec<(&'static str, Option<String>)>,
    log: String,
}

impl Column {
    /// Runs every check behind `proxy`, those over TLS too if it ends TLS by its own configuration.
    pub fn of(proxy: &Proxy, ends_tls: bool) -> Self {
        let mut rig = Rig::start(proxy, "30m");
        let brief = Rig::start(proxy, "6s"); // renewal is due within a second
        let mut cells = Vec::new();
        let mut run = |name: &'static str, check: &mut dyn FnMut()| {
            let outcome = catch_unwind(AssertUnwindSafe(check));
            cells.push((name, outcome.err().map(|panic| message(&*panic))));
        };
        for &(name, check) in checks::CHECKS.iter().chain(proxy.own) {
            run(name, &mut || check(&rig));
        }
        for &(name, check) in checks::RENEWAL {
            run(name, &mut || check(&brief));
        }
        let mut log = brief.log();
        drop(brief);
        if ends_tls {
            let over_tls = Rig::start_tls(proxy);
            for &(name, check) in tls::CHECKS {
                run(name, &mut || check(&over_tls));
            }
            log.push_str(&over_tls.log());
            drop(over_tls);
            let shown = Rig::start_echo(proxy);
            run(DOCTOR, &mut || checks::doctor(&shown, proxy.name));
            log.push_str(&shown.log());
        }
        run(STOPPED, &mut || checks::stopped(&mut rig));
        log.push_str(&rig.log());
        Self { proxy: proxy.name, cells, log }
    }

    /// A line for each check that failed, with what the proxy wrote.
    pub fn failures(&self) -> impl Iterator<Item = String> {
        let failed = self.cells.iter().filter_map(|(name, failed)| Some((name, failed.as_ref()?)));
        let lines: Vec<_> = failed.map(|(name, why)| format!("{}: {name}: {why}", self.proxy)).collect();
        let log = (!lines.is_empty()).then(|| format!("{} wrote:\n{}", self.proxy, self.log));
        lines.into_iter().chain(log)
    }

    fn cell(&self, name: &str) -> &'static str {
        match self.cells.iter().find(|(known, _)| *known == name) {
            Some((_, None)) => "pass",
            Some((_, Some(_))) => "FAIL",
            None => "-",
        }
    }
}

/// The whole matrix; a check that is one proxy's own has a dash elsewhere.
pub fn shown(columns: &[Column]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in columns.iter().flat_map(|column| &column.cells) {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let mut text = String::from("\n");
    for column in columns {
        let _ = write!(text, "{:<16}", column.proxy);
    }
    for name in names {
        text.push('\n');
        for column in columns {
            let _ = write!(text, "{:<16}", column.cell(name));
        }
        text.push_str(name);
    }
    text
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

const DOCTOR: &str = "sealpass doctor finds nothing wrong, and leaves nothing unchecked";
const STOPPED: &str = "s42 sealpass stopped: 503, the application is not asked";
