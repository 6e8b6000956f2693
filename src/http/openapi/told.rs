//! The words of the core that stand in bodies. It can't describe them itself, since it knows no HTTP: each type here
//! stands for the one that it names, and the tests below hold that both have the same fields.
use serde::Deserialize;
use utoipa::ToSchema;

use super::words::Time;

/// How far something has to have come before it is answered.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// To this replica's disk.
    Local,
    /// To more than half of the core.
    Majority,
    /// To all of the core.
    All,
}

/// A new key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// When it is to seal, if later than it could.
    after_seconds: Option<u64>,
    /// Only say what it would come to.
    #[serde(default)]
    dry_run: bool,
    wait: Option<Wait>,
    #[schema(maximum = 30_000)]
    timeout_ms: Option<u64>,
}

/// The next key, later.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Postpone {
    #[schema(value_type = Time)]
    until: String,
    /// Only say what it would come to.
    #[serde(default)]
    dry_run: bool,
    wait: Option<Wait>,
    #[schema(maximum = 30_000)]
    timeout_ms: Option<u64>,
}

/// One of the keys that `GET /v1/keys` names.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OfKey {
    #[schema(pattern = "^[0-9A-Fa-f]{8}$")]
    key: String,
    /// To destroy it although sessions under it may be alive. It is not for revoking.
    #[serde(default)]
    force: bool,
    /// Only say what it would come to.
    #[serde(default)]
    dry_run: bool,
    wait: Option<Wait>,
    #[schema(maximum = 30_000)]
    timeout_ms: Option<u64>,
}

/// A new ring.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// Only say what it would come to.
    #[serde(default)]
    dry_run: bool,
    wait: Option<Wait>,
    #[schema(maximum = 30_000)]
    timeout_ms: Option<u64>,
}

/// The key ring at one moment.
#[derive(ToSchema)]
pub struct Ring {
    /// Which ring it is.
    ring_id: String,
    /// How often it was written.
    epoch: u64,
    now: Time,
    /// How long a replica is ready without having read the ring.
    confirm_within_seconds: u64,
    /// How long after it is made a new key seals.
    activation_seconds: u64,
    keys: Vec<Key>,
    /// The longest lifetimes that sessions were sealed with.
    limits: Vec<Limit>,
    /// Every replica of the core, if there are several.
    #[schema(nullable = false)]
    replicas: Option<Vec<Holder>>,
}

/// A key at one moment.
#[derive(ToSchema)]
pub struct Key {
    /// Its id.
    key: String,
    /// In one word.
    state: String,
    created_at: Time,
    /// From when on it seals.
    #[schema(nullable = false)]
    seals_from: Option<Time>,
    /// From when on another one seals.
    #[schema(nullable = false)]
    seals_until: Option<Time>,
    /// Until when sessions under it may live.
    #[schema(nullable = false)]
    opens_until: Option<Time>,
    /// When it was revoked.
    #[schema(nullable = false)]
    revoked_at: Option<Time>,
    /// When it was destroyed.
    #[schema(nullable = false)]
    destroyed_at: Option<Time>,
}

/// The longest lifetimes of a configuration.
#[derive(ToSchema)]
pub struct Limit {
    lifetime_seconds: u64,
    idle_seconds: u64,
    since: Time,
    #[schema(nullable = false)]
    ended: Option<Time>,
}

/// A replica of the core, as it was heard last.
#[derive(ToSchema)]
pub struct Holder {
    name: String,
    /// Whether it answers.
    up: bool,
    /// Whether it has this very ring.
    has_ring: bool,
}

/// What an order came to.
#[derive(ToSchema)]
pub struct Receipt {
    /// In one word: `rotating`, `revoked`, `destroyed`, `replaced`; among several replicas `proposed`.
    outcome: String,
    /// The key that it is about; of a new ring, its first.
    key: String,
    /// From when on that key seals.
    #[schema(nullable = false)]
    seals_from: Option<Time>,
    /// The key that seals in place of a revoked one.
    #[schema(nullable = false)]
    fresh_key: Option<String>,
    /// Whether anything changed; if not, it was so before.
    changed: bool,
    /// Whether it was only asked what it would come to.
    dry_run: bool,
    /// Retired keys that were destroyed with it.
    #[schema(nullable = false)]
    destroyed: Option<Vec<String>>,
    /// How many replicas of the core have it, where there are several.
    #[schema(nullable = false)]
    applied: Option<u16>,
    /// How many there are.
    #[schema(nullable = false)]
    core: Option<u16>,
    /// Whether that is as far as was asked for.
    #[schema(nullable = false)]
    reached: Option<bool>,
    /// How long that was waited for.
    #[schema(nullable = false)]
    waited_ms: Option<u64>,
    /// The ring after it.
    ring: Ring,
}

/// A fleet at one moment, as one of its replicas sees it.
#[derive(ToSchema)]
pub struct Cluster {
    /// What the replica that reports is called.
    name: String,
    /// `core` or `edge`.
    role: String,
    /// Of how many replicas the core is made up.
    size: usize,
    release: String,
    /// Whether it answers.
    ready: bool,
    /// Why not, most important first.
    why: Vec<Why>,
    /// Whether it knows all that a majority knew when it started.
    complete: bool,
    /// How old its knowledge is.
    #[schema(nullable = false)]
    view_age_ms: Option<u64>,
    /// How far its clock is ahead of the core's median.
    #[schema(nullable = false)]
    clock_offset_ms: Option<i64>,
    /// Itself, the places of the core, the edges.
    members: Vec<Member>,
    /// What has happened since it started.
    counters: Counters,
}

/// A reason not to answer.
#[derive(ToSchema)]
pub struct Why {
    /// In one word that stays the same.
    code: String,
    /// For people: what is so, and what to do.
    text: String,
}

/// One replica, as another one sees it.
#[derive(ToSchema)]
pub struct Member {
    name: String,
    /// `core` or `edge`.
    role: String,
    /// In one word.
    standing: String,
    release: String,
    ready: bool,
    complete: bool,
    #[schema(nullable = false)]
    heard_ms_ago: Option<u64>,
    #[schema(nullable = false)]
    view_age_ms: Option<u64>,
    #[schema(nullable = false)]
    clock_offset_ms: Option<i64>,
    /// Its key ring beside that of the replica that reports.
    ring: Likeness,
    /// Its endings.
    facts: Likeness,
    realms: Likeness,
    /// Whether another process that is alive has the same name.
    duplicate: bool,
}

/// What two replicas have, compared.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Likeness {
    Same,
    Differs,
    Other,
    Unknown,
}

/// What has happened since a replica started.
#[derive(ToSchema)]
pub struct Counters {
    strangers: u64,
    undecodable: u64,
    newer: u64,
    foreign: u64,
    unasked: u64,
    rings_refused: u64,
    resent: u64,
    repaired: u64,
    unkept: u64,
    pending: u64,
    uninformed: u64,
    floors_raised: u64,
    rounds: u64,
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;
    use crate::clock::Timestamp;
    use crate::custody::{
        self, Among, AskedOfKey, AskedPostpone, AskedReplace, AskedRotate, KeyReport, LimitReport, Receipt as Order,
    };
    use crate::replica;

    const AT: Timestamp = Timestamp::MAX;

    #[test]
    fn orders_have_the_fields_that_are_described() {
        assert_eq!(fields::<Rotate>(), fields::<AskedRotate>());
        assert_eq!(fields::<Postpone>(), fields::<AskedPostpone>());
        assert_eq!(fields::<OfKey>(), fields::<AskedOfKey>());
        assert_eq!(fields::<Replace>(), fields::<AskedReplace>());
    }

    /// What serde says is allowed.
    fn fields<T: DeserializeOwned>() -> String {
        let refused = serde_json::from_value::<T>(json!({"?": 0})).err().expect("no such field").to_string();
        assert!(refused.contains("expected one of"), "{refused}");
        refused
    }

    #[test]
    fn answers_have_the_fields_that_are_described() {
        let (ring, order) = (ring(), order());
        same_fields::<Ring>(&ring);
        same_fields::<Key>(&ring.keys[0]);
        same_fields::<Limit>(&ring.limits[0]);
        same_fields::<Holder>(&ring.replicas[0]);
        same_fields::<Receipt>(&order);
        let cluster = cluster();
        same_fields::<Cluster>(&cluster);
        same_fields::<Why>(&cluster.why[0]);
        same_fields::<Member>(&cluster.members[0]);
        same_fields::<Counters>(&cluster.counters);
    }

    /// `full` has something in each of its fields.
    fn same_fields<T: ToSchema>(full: &impl Serialize) {
        let names = |value: &Value| value.as_object().expect("fields").keys().cloned().collect::<Vec<_>>();
        let described = json!(T::schema());
        assert_eq!(names(&described["properties"]), names(&json!(full)), "{}", T::name());
    }

    fn ring() -> custody::Report {
        let key = KeyReport {
            key: String::new(),
            state: String::new(),
            created_at: AT,
            seals_from: Some(AT),
            seals_until: Some(AT),
            opens_until: Some(AT),
            revoked_at: Some(AT),
            destroyed_at: Some(AT),
        };
        custody::Report {
            ring_id: String::new(),
            epoch: 0,
            now: AT,
            confirm_within_seconds: 0,
            activation_seconds: 0,
            keys: vec![key],
            limits: vec![LimitReport { lifetime_seconds: 0, idle_seconds: 0, since: AT, ended: Some(AT) }],
            replicas: vec![custody::Holder { name: String::new(), up: true, has_ring: true }],
        }
    }

    fn order() -> Order {
        Order {
            outcome: String::new(),
            key: String::new(),
            seals_from: Some(AT),
            fresh_key: Some(String::new()),
            changed: true,
            dry_run: true,
            destroyed: vec![String::new()],
            among: Some(Among { applied: 0, core: 0, reached: true, waited_ms: 0 }),
            ring: ring(),
        }
    }

    fn cluster() -> replica::ClusterReport {
        let mut cluster = replica::ClusterReport::alone("a", "0");
        cluster.add(replica::Why::new("a", "b"));
        (cluster.view_age_ms, cluster.clock_offset_ms) = (Some(0), Some(0));
        let own = &mut cluster.members[0];
        (own.heard_ms_ago, own.view_age_ms, own.clock_offset_ms) = (Some(0), Some(0), Some(0));
        cluster
    }
}
