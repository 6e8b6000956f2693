//! What is shown, in order. Every number is measured, and what does not happen ends the demonstration.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::{Failure, say};
use super::stage::{Place, Stage};

/// Plays all of it.
pub fn play(stage: &Stage) -> Result<(), Failure> {
    start(stage)?;
    say("")?;
    log_out(stage)?;
    say("")?;
    rotate(stage)?;
    say("")?;
    let kept = kill_one(stage)?;
    say("")?;
    let ended = leave_alone(stage, &kept)?;
    say("")?;
    come_back(stage, &kept, &ended)
}

/// What to type next; each line works as it is printed.
pub fn try_next(stage: &Stage) -> String {
    let credential = stage.credential().display().to_string();
    let [first, second, third] = stage.replicas() else { unreachable!("there are three") };
    format!(
        "
The replicas run until Ctrl-C. In another terminal:

  # Log in at {first}; the cookie is kept in the file jar.
  curl -sS -c jar http://{}/v1/sessions -H \"Authorization: Bearer $(cat {credential})\" \\
    -H 'Content-Type: application/json' -d '{{\"subject\": \"alice\"}}'
  # Ask {second} who is calling: 200.
  curl -i http://{}/verify/ -H \"Cookie: $(awk '/__Host-sealpass/ {{print $6 \"=\" $7}}' jar)\"
  # Log out everywhere at {third}; the line before now answers 401.
  curl -sS http://{}/v1/subjects/revoke -H \"Authorization: Bearer $(cat {credential})\" \\
    -H 'Content-Type: application/json' -d '{{\"subject\": \"alice\"}}'
  # All replicas in one table.
  sealpass cluster status --control http://{} --credential {credential}",
        first.control,
        second.public,
        third.control,
        first.control,
        first = first.name,
        second = second.name,
        third = third.name,
    )
}

fn start(stage: &Stage) -> Result<(), Failure> {
    say("Three replicas start. The first has a key ring; the others have the cluster secret, and addresses to ask.")?;
    let begun = Instant::now();
    (0..stage.replicas().len()).try_for_each(|which| stage.start(which))?;
    for replica in stage.replicas() {
        until(&format!("{} is ready", replica.name), || stage.visitor.is_ready(replica))?;
        say(format_args!("  {} is ready after {}.", replica.name, since(begun)))?;
    }
    Ok(())
}

fn log_out(stage: &Stage) -> Result<(), Failure> {
    let [first, second, third] = stage.replicas() else { unreachable!("there are three") };
    let alice = log_in(stage, first, "alice")?;
    say(format_args!("Alice logs in at {}. Each of them is asked who she is:", first.name))?;
    show(stage, stage.replicas(), &alice.cookie, 200)?;
    let (begun, answer) = (Instant::now(), stage.visitor.post(second, REVOKE, &json!({"token": alice.token})));
    let (status, body) = answer.ok_or_else(|| missing("the logout is answered"))?;
    expect("the logout is acknowledged by a majority", status == 200)?;
    say(format_args!(
        "She logs out at {}: {} of {} replicas have it on disk after {} ms.",
        second.name, body["applied"], body["core"], body["waited_ms"]
    ))?;
    until("the third replica refuses", || stage.visitor.verify(third, &alice.cookie) == Some(401))?;
    say(format_args!("  {} refuses her cookie (401), {} after she was told to go.", third.name, since(begun)))
}

fn rotate(stage: &Stage) -> Result<(), Failure> {
    let first = &stage.replicas()[0];
    let begun = Instant::now();
    let (status, receipt) =
        stage.visitor.post(first, "/v1/keys/rotate", &json!({})).ok_or_else(|| missing("a key is made"))?;
    let key = receipt["key"].as_str().unwrap_or_default().to_owned();
    expect("a key is made", matches!(status, 200 | 202) && !key.is_empty())?;
    say(format_args!("{} is told to make a new key, {key}:", first.name))?;
    for replica in stage.replicas() {
        until(&format!("{} has the key", replica.name), || key_of(stage, replica, &key).is_some())?;
        say(format_args!("  {} has it after {}.", replica.name, since(begun)))?;
    }
    until("the key has a time", || key_of(stage, first, &key).is_some_and(|key| key["seals_from"].is_string()))?;
    let dated = key_of(stage, first, &key).unwrap_or_default();
    let from = dated["seals_from"].as_str().unwrap_or_default();
    say(format_args!("  It seals new tokens from {from} on, by when every replica opens them."))
}

/// Returns a session that lasts.
fn kill_one(stage: &Stage) -> Result<Session, Failure> {
    let [first, second, third] = stage.replicas() else { unreachable!("there are three") };
    stage.kill(2);
    say(format_args!("{} is killed. Two of three are a majority, so the others go on:", third.name))?;
    let bob = log_in(stage, first, "bob")?;
    say(format_args!("  Bob logs in at {}.", first.name))?;
    show(stage, &[first, second], &bob.cookie, 200)?;
    Ok(bob)
}

/// Returns a session that is ended while nobody else can know.
fn leave_alone(stage: &Stage, kept: &Session) -> Result<Session, Failure> {
    let [first, second, _] = stage.replicas() else { unreachable!("there are three") };
    let carol = log_in(stage, first, "carol")?;
    stage.kill(1);
    let begun = Instant::now();
    say(format_args!("{} is killed too. {} is cut off from everybody:", second.name, first.name))?;
    until("the last one says that it can't know", || stage.visitor.verify(first, &kept.cookie) == Some(503))?;
    say(format_args!("  After {} it answers 503 rather than guess, and says why:", since(begun)))?;
    // Requests are judged by their own time, and may be refused a moment before the report says so.
    until("it says why", || !reasons(stage, first).is_empty())?;
    for why in reasons(stage, first) {
        say(format_args!("    {why}"))?;
    }
    let answer = stage.visitor.post(first, REVOKE, &json!({"token": carol.token}));
    expect("an ending is taken all the same", answer.is_some_and(|(status, _)| status == 202))?;
    say("  It takes a logout all the same: 202, kept on its disk until there is somebody to tell.")?;
    Ok(carol)
}

fn come_back(stage: &Stage, kept: &Session, ended: &Session) -> Result<(), Failure> {
    say("The others are started again:")?;
    let begun = Instant::now();
    stage.start(1)?;
    stage.start(2)?;
    for replica in stage.replicas() {
        until(&format!("{} is back", replica.name), || stage.visitor.is_ready(replica))?;
        until("it knows of the logout", || stage.visitor.verify(replica, &ended.cookie) == Some(401))?;
        let status = stage.visitor.verify(replica, &kept.cookie);
        expect("whoever did not log out is still logged in", status == Some(200))?;
        say(format_args!("  {} is ready and knows of that logout after {}; Bob is in.", replica.name, since(begun)))?;
    }
    Ok(())
}

struct Session {
    token: String,
    cookie: String,
}

fn log_in(stage: &Stage, at: &Place, subject: &str) -> Result<Session, Failure> {
    let what = format!("{subject} is logged in");
    let (status, body) =
        stage.visitor.post(at, "/v1/sessions", &json!({"subject": subject})).ok_or_else(|| missing(&what))?;
    let detail = body["detail"].as_str().unwrap_or_default();
    expect(&format!("{what} (it answers {status}: {detail})"), status == 201)?;
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let cookie = text("set_cookie").split(';').next().unwrap_or_default().to_owned();
    Ok(Session { token: text("token"), cookie })
}

fn show<'a>(
    stage: &Stage,
    replicas: impl IntoIterator<Item = &'a (impl std::borrow::Borrow<Place> + 'a)>,
    cookie: &str,
    wanted: u16,
) -> Result<(), Failure> {
    for replica in replicas {
        let replica = replica.borrow();
        let status = stage.visitor.verify(replica, cookie);
        expect(&format!("{} answers {wanted}", replica.name), status == Some(wanted))?;
        say(format_args!("  {} answers {wanted}.", replica.name))?;
    }
    Ok(())
}

fn key_of(stage: &Stage, at: &Place, key: &str) -> Option<Value> {
    let ring = stage.visitor.get(at, "/v1/keys")?;
    ring["keys"].as_array()?.iter().find(|known| known["key"] == key).cloned()
}

/// Why it is not ready, in its own words.
fn reasons(stage: &Stage, at: &Place) -> Vec<String> {
    let report = stage.visitor.get(at, "/v1/cluster").unwrap_or_default();
    let why = report["why"].as_array().into_iter().flatten();
    why.filter_map(|why| why["text"].as_str().map(str::to_owned)).collect()
}

fn until(what: &str, is: impl Fn() -> bool) -> Result<(), Failure> {
    let begun = Instant::now();
    while !is() {
        if begun.elapsed() > LIMIT {
            return Err(missing(what));
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

fn expect(what: &str, is: bool) -> Result<(), Failure> {
    if is { Ok(()) } else { Err(missing(what)) }
}

fn missing(what: &str) -> Failure {
    Failure::Refused(format!("this did not come to pass: {what}"))
}

fn since(begun: Instant) -> String {
    let millis = begun.elapsed().as_millis();
    if millis < 1_000 { format!("{millis} ms") } else { format!("{}.{} s", millis / 1_000, millis % 1_000 / 100) }
}

const REVOKE: &str = "/v1/sessions/revoke";
const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(2);
