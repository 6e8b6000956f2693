//! The pods of the manifests as processes on loopback, with the files that Kubernetes would put into them.

use std::fs::{self, Permissions};
use std::net::UdpSocket;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::thread;

use serde_json::{Value, json};

use crate::common::{Place, Running, ask, call, refused, wait_for};
use crate::manifests::{Manifests, container, list, text};

/// A pod that is to run.
struct Pod {
    name: String,
    env: Vec<(String, String)>,
    config: String,
    /// UDP.
    port: u16,
}

impl Pod {
    /// As the kubelet makes it: the host's name is the pod's, and volumes are where the container has them mounted.
    fn of(workload: &Value, name: &str, place: &Place, configuration: &str) -> Self {
        let state = place.path(&format!("state-{name}"));
        fs::create_dir(&state).expect("a directory");
        let (run, config) = (place.path("run"), place.path(&format!("{name}.toml")));
        let paths = configuration
            .replace("/run/sealpass", run.to_str().expect("text"))
            .replace("/var/lib/sealpass", state.to_str().expect("text"));
        fs::write(&config, paths).expect("writable");
        let set = container(workload)["env"].as_array().into_iter().flatten();
        let mut env: Vec<_> =
            set.map(|entry| (text(&entry["name"]).to_owned(), text(&entry["value"]).to_owned())).collect();
        env.push(("SEALPASS_CLUSTER__NAME".to_owned(), name.to_owned()));
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port on loopback");
        let port = socket.local_addr().expect("bound").port();
        Self { name: name.to_owned(), env, config: config.to_str().expect("text").to_owned(), port }
    }

    fn env(&self) -> Vec<(&str, &str)> {
        self.env.iter().map(|(name, value)| (&**name, &**value)).collect()
    }

    /// In place of the name that leads to all, their addresses; in place of the pod's addresses, some on loopback.
    fn start(&self, place: &Place, peers: &str) -> Running {
        let mut env = self.env();
        env.push(("SEALPASS_CLUSTER__PEERS", peers));
        let listen = format!("127.0.0.1:{}", self.port);
        let places = ["--public", "127.0.0.1:0", "--control", "127.0.0.1:0", "--cluster-listen", &listen];
        place.start(&[&["serve", "--config", &self.config][..], &places].concat(), &env)
    }
}

/// Three pods of the core and one of the edge, and the credential of an application.
fn pods(place: &Place, manifests: &Manifests) -> (Vec<Pod>, String) {
    let secret = mount_secret(place, &container_items(manifests));
    let [core, edge] = manifests.workloads();
    let size = core["spec"]["replicas"].as_u64().expect("a number");
    let made = |workload, name: &str| Pod::of(workload, name, place, manifests.configuration());
    let mut pods: Vec<_> = (0..size).map(|at| made(core, &format!("sealpass-{at}"))).collect();
    pods.push(made(edge, "sealpass-edge-7c9d8b6f5-x2x9k"));
    (pods, secret)
}

fn container_items(manifests: &Manifests) -> Vec<String> {
    let [core, _] = manifests.workloads();
    let volumes = list(&core["spec"]["template"]["spec"]["volumes"]);
    let secret = volumes.iter().find(|volume| volume["name"] == "secret").expect("there");
    list(&secret["secret"]["items"]).iter().map(|item| text(&item["path"]).to_owned()).collect()
}

/// Makes what the manual says to make, and mounts it as a Secret is mounted: behind a link that is swapped.
fn mount_secret(place: &Place, items: &[String]) -> String {
    let credential = place.with_application();
    fs::create_dir_all(place.path("run/..1")).expect("a directory");
    symlink("..1", place.path("run/..data")).expect("a link");
    for item in items {
        let made = if item == "credentials.toml" { place.path(item) } else { place.path("keys").join(item) };
        let mounted = place.path("run/..1").join(item);
        fs::copy(made, &mounted).expect("made");
        fs::set_permissions(mounted, Permissions::from_mode(0o400)).expect("ours");
        symlink(format!("..data/{item}"), place.path("run").join(item)).expect("a link");
    }
    credential
}

#[test]
fn check_takes_the_configuration_in_every_pod() {
    let (place, manifests) = (Place::new(), Manifests::read());
    let (pods, _) = pods(&place, &manifests);
    for pod in &pods {
        let output = place.run_with(&["check", "--config", &pod.config], &pod.env(), b"");
        let said = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success(), "{}: {said}{}", pod.name, String::from_utf8_lossy(&output.stderr));
        let role = if pod.name.contains("edge") { "an edge of a core of 3" } else { "one of 3 in the core" };
        assert!(said.contains(&format!("cluster  {}: {role}", pod.name)), "{said}");
        assert!(said.contains("1 key") && said.contains("All of it fits together."), "{said}");
        assert!(!said.contains("warning"), "{said}");
    }
}

#[test]
fn the_pods_find_each_other_and_serve_from_the_seed() {
    let (place, manifests) = (Place::new(), Manifests::read());
    let (pods, credential) = pods(&place, &manifests);
    let core = pods.iter().filter(|pod| !pod.name.contains("edge"));
    let peers: Vec<_> = core.map(|pod| format!("127.0.0.1:{}", pod.port)).collect();
    let peers = peers.join(",");
    // In parallel, as `podManagementPolicy` says: one alone is never ready.
    let running: Vec<_> = thread::scope(|scope| {
        let started: Vec<_> = pods.iter().map(|pod| scope.spawn(|| pod.start(&place, &peers))).collect();
        started.into_iter().map(|pod| pod.join().expect("it starts")).collect()
    });
    for replica in &running {
        wait_for("a replica is ready", || ask(replica.public, "GET", "/readyz", &[], b"").status == 200);
    }
    let edge = running.last().expect("one is at the edge");
    let issue = || call(edge.control, &credential, "/v1/sessions", &json!({"subject": "alice"}).to_string());
    wait_for("the core counts", || issue().status == 201);
    let token = text(&issue().json()["token"]).to_owned();
    for replica in &running {
        let cookie = format!("__Host-sealpass={token}");
        assert_eq!(ask(replica.public, "GET", "/verify/", &[("Cookie", &cookie)], b"").status, 200);
    }
}

/// Why `fsGroupChangePolicy` is needed: with `Always`, the kubelet gives the group what the owner has, at each mount.
#[test]
fn a_volume_that_was_opened_to_the_group_is_refused() {
    let (place, manifests) = (Place::new(), Manifests::read());
    let (pods, _) = pods(&place, &manifests);
    let ring = place.path(&format!("state-{}", pods[0].name)).join("ring.sealed");
    fs::copy(place.path("keys/ring.sealed"), &ring).expect("made");
    let check = || place.run_with(&["check", "--config", &pods[0].config], &pods[0].env(), b"");
    assert!(check().status.success());
    fs::set_permissions(&ring, Permissions::from_mode(0o660)).expect("ours");
    assert!(refused(&check(), 1).contains("ring.sealed: is open to others"));
}
