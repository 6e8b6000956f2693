//! A request that is not sampled costs no allocation.

use std::process::Command;
use std::thread;

use allocation_counter::measure;
use sealpass::telemetry::{Metrics, Noted, Traces, note, step};

/// What the environment says is read once a process: so another one measures.
#[test]
fn what_is_not_sampled_allocates_nothing() {
    let child = Command::new(std::env::current_exe().expect("this one"))
        .args(["--exact", "unsampled::measured", "--ignored", "--nocapture"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
        .env("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
        .env("OTEL_TRACES_SAMPLER_ARG", "0.000000001")
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
    println!("{said}");
}

#[test]
#[ignore = "a process of its own runs it"]
fn measured() {
    let metrics = Metrics::new();
    let traces = Traces::start(metrics.traces.clone(), "a");
    assert!(traces.is_on());
    let not = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let ask = || {
        assert!(traces.request(Some(not), || unreachable!("it is not looked for")).is_none());
        assert!(traces.request(None, || unreachable!("it is not looked for")).is_none());
        note(&[Noted::Decision("ok"), Noted::Policy("default")]);
        assert!(step("sealpass.cluster.push").is_none());
    };
    // The first of a thread may set up what is the thread's.
    ask();
    let counted = measure(|| (0..1_000).for_each(|_| ask()));
    assert_eq!(counted.count_total, 0, "{counted:?}");
    // And the counting counts.
    let sampled = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let counted = measure(|| drop(traces.request(Some(sampled), String::new)));
    assert!(counted.count_total > 0);
    let begun = std::time::Instant::now();
    (0..100_000).for_each(|_| ask());
    println!("not sampled, twice, with what is noted: {} ns", begun.elapsed().as_nanos() / 100_000);
    drop(thread::spawn(move || drop(traces)));
}
