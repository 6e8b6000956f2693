//! The Kubernetes manifests, read as they are: names, ports, paths, users and times of all files are the same.

use serde_json::{Value, json};

/// Every object of every file.
pub struct Manifests(Vec<Value>);

impl Manifests {
    pub fn read() -> Self {
        Self(FILES.iter().flat_map(|text| serde_saphyr::from_multiple::<Value>(text).expect("manifests")).collect())
    }

    pub fn get(&self, kind: &str, name: &str) -> &Value {
        let mut found = self.0.iter().filter(|object| object["kind"] == kind && object["metadata"]["name"] == name);
        let object = found.next().unwrap_or_else(|| panic!("no {kind} {name}"));
        assert!(found.next().is_none(), "{kind} {name} twice");
        object
    }

    /// Where pods are made: the core, the edge.
    pub fn workloads(&self) -> [&Value; 2] {
        [self.get("StatefulSet", "sealpass"), self.get("Deployment", "sealpass-edge")]
    }

    /// The text of the configuration file.
    pub fn configuration(&self) -> &str {
        text(&self.get("ConfigMap", "sealpass")["data"]["sealpass.toml"])
    }

    fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }
}

/// The one container of a workload's pods.
pub fn container(workload: &Value) -> &Value {
    let containers = list(&workload["spec"]["template"]["spec"]["containers"]);
    assert_eq!(containers.len(), 1);
    &containers[0]
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

/// What `sealpass.toml` says, as TOML.
pub fn toml(configuration: &str) -> toml::Table {
    toml::from_str(configuration).expect("TOML")
}

#[test]
fn services_and_policies_lead_to_the_ports_that_are_listened_on() {
    let manifests = Manifests::read();
    let config = toml(manifests.configuration());
    let port = |section: &str| config[section]["listen"].as_str().expect("a place").rsplit_once(':').expect("a port").1;
    let peers = config["cluster"]["peers"][0].as_str().expect("a place").rsplit_once(':').expect("a port");
    let listened = [("public", port("public"), "TCP"), ("control", port("control"), "TCP"), ("peers", peers.1, "UDP")];
    for workload in manifests.workloads() {
        let ports = list(&container(workload)["ports"]);
        assert_eq!(ports.len(), listened.len());
        for (name, number, protocol) in listened {
            let port = ports.iter().find(|port| port["name"] == name).unwrap_or_else(|| panic!("no port {name}"));
            assert_eq!(port["containerPort"].to_string(), number);
            assert_eq!(port["protocol"].as_str().unwrap_or("TCP"), protocol);
        }
        for (probe, path) in
            [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
        {
            assert_eq!(container(workload)[probe]["httpGet"], json!({"path": path, "port": "public"}));
        }
    }
    for (service, name) in [("sealpass", "public"), ("sealpass-control", "control"), ("sealpass-peers", "peers")] {
        let (_, number, protocol) = listened.into_iter().find(|port| port.0 == name).expect("one of them");
        let ports = list(&manifests.get("Service", service)["spec"]["ports"]);
        assert_eq!(ports.len(), 1);
        assert_eq!((text(&ports[0]["name"]), text(&ports[0]["targetPort"])), (name, name));
        assert_eq!(
            (&*ports[0]["port"].to_string(), ports[0]["protocol"].as_str().unwrap_or("TCP")),
            (number, protocol)
        );
    }
    let rules = &manifests.get("NetworkPolicy", "sealpass")["spec"];
    let opened: Vec<_> = list(&rules["ingress"]).iter().map(|rule| &list(&rule["ports"])[0]).collect();
    for (name, _, protocol) in listened {
        let rule = json!({"port": name, "protocol": protocol});
        assert_eq!(opened.iter().filter(|port| ***port == rule).count(), 1, "{name}");
    }
    assert_eq!(opened.len(), listened.len());
    assert!(list(&rules["egress"]).iter().any(|rule| rule["ports"] == json!([{"port": "peers", "protocol": "UDP"}])));
    assert_eq!(peers.0, "sealpass-peers");
}

#[test]
fn selectors_find_the_pods_that_they_mean() {
    let manifests = Manifests::read();
    let [core, edge] = manifests.workloads();
    let labels = |workload: &Value| workload["spec"]["template"]["metadata"]["labels"].clone();
    for workload in [core, edge] {
        let own = labels(workload);
        assert_eq!(workload["spec"]["selector"]["matchLabels"], own);
        assert_eq!(workload["metadata"]["labels"], own);
        let name = &workload["metadata"]["name"];
        let budget = manifests.get("PodDisruptionBudget", text(name));
        assert_eq!(budget["spec"], json!({"maxUnavailable": 1, "selector": {"matchLabels": own}}));
        for spread in list(&workload["spec"]["template"]["spec"]["topologySpreadConstraints"]) {
            assert_eq!(spread["labelSelector"]["matchLabels"], own);
        }
    }
    assert_ne!(labels(core), labels(edge));
    let both = json!({"app.kubernetes.io/name": "sealpass"});
    assert_eq!(manifests.get("Service", "sealpass-peers")["spec"]["selector"], labels(core));
    for service in ["sealpass", "sealpass-control"] {
        assert_eq!(manifests.get("Service", service)["spec"]["selector"], both);
    }
    let rules = &manifests.get("NetworkPolicy", "sealpass")["spec"];
    assert_eq!(rules["podSelector"]["matchLabels"], both);
    for (way, peer) in [("ingress", "from"), ("egress", "to")] {
        let among = json!([{"podSelector": {"matchLabels": both}}]);
        let rule = list(&rules[way]).iter().find(|rule| rule[peer] == among).expect("replicas among themselves");
        assert_eq!(rule["ports"], json!([{"port": "peers", "protocol": "UDP"}]));
    }
    for workload in [core, edge] {
        assert_eq!(labels(workload)["app.kubernetes.io/name"], both["app.kubernetes.io/name"]);
    }
    let scaled = &manifests.get("HorizontalPodAutoscaler", "sealpass-edge")["spec"]["scaleTargetRef"];
    for key in ["apiVersion", "kind"] {
        assert_eq!(scaled[key], edge[key]);
    }
    assert_eq!(scaled["name"], edge["metadata"]["name"]);
    assert!(edge["spec"]["replicas"].is_null(), "each apply would undo what the autoscaler did");
}

#[test]
fn pods_find_their_files_and_may_do_nothing_else() {
    let manifests = Manifests::read();
    for workload in manifests.workloads() {
        let pod = &workload["spec"]["template"]["spec"];
        let mut volumes: Vec<_> = list(&pod["volumes"]).iter().map(|volume| text(&volume["name"])).collect();
        volumes.extend(workload["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten().map(|claim| {
            assert_eq!(claim["spec"]["accessModes"], json!(["ReadWriteOnce"]));
            text(&claim["metadata"]["name"])
        }));
        let mounts = list(&container(workload)["volumeMounts"]);
        let mounted = |name: &str| {
            let mount = mounts.iter().find(|mount| mount["name"] == name);
            mount.unwrap_or_else(|| panic!("{name} is not mounted"))
        };
        assert_eq!(volumes.len(), mounts.len());
        for (name, at, read_only) in [
            ("config", "/etc/sealpass", true),
            ("secret", "/run/sealpass", true),
            ("state", "/var/lib/sealpass", false),
        ] {
            assert!(volumes.contains(&name));
            assert_eq!((&mounted(name)["mountPath"], mounted(name)["readOnly"] == true), (&json!(at), read_only));
        }
        let volume = |name: &str| list(&pod["volumes"]).iter().find(|volume| volume["name"] == name).expect("there");
        assert_eq!(volume("config")["configMap"]["name"], manifests.get("ConfigMap", "sealpass")["metadata"]["name"]);
        let config = toml(manifests.configuration());
        let named: Vec<_> = ["cluster_secret", "ring_seed", "credentials"].map(|key| config[key].as_str()).into();
        let items = list(&volume("secret")["secret"]["items"]).iter();
        let given: Vec<_> = items.map(|item| format!("/run/sealpass/{}", text(&item["path"]))).collect();
        assert_eq!(named, given.iter().map(|path| Some(&**path)).collect::<Vec<_>>());
        assert_eq!(config["keys"].as_str(), Some("/var/lib/sealpass"));
        assert_eq!(container(workload)["args"], json!(["serve", "--config", "/etc/sealpass/sealpass.toml"]));

        assert_eq!(
            container(workload)["securityContext"],
            json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}})
        );
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(pod["securityContext"]["fsGroupChangePolicy"], "OnRootMismatch");
        assert_eq!((&pod["automountServiceAccountToken"], &pod["enableServiceLinks"]), (&json!(false), &json!(false)));
    }
}

#[test]
fn there_is_room_and_time_for_what_is_configured() {
    let manifests = Manifests::read();
    let config = toml(manifests.configuration());
    let [core, edge] = manifests.workloads();
    assert_eq!(core["spec"]["serviceName"], "sealpass-peers");
    let peers = &manifests.get("Service", "sealpass-peers")["spec"];
    assert_eq!((&peers["clusterIP"], &peers["publishNotReadyAddresses"]), (&json!("None"), &json!(true)));
    assert_eq!(
        (&core["spec"]["podManagementPolicy"], &core["spec"]["minReadySeconds"]),
        (&json!("Parallel"), &json!(5))
    );
    assert_eq!(core["spec"]["replicas"].as_i64(), config["cluster"]["size"].as_integer());
    let drain = config["drain"].as_str().expect("a time").trim_end_matches('s').parse::<i64>().expect("seconds");
    let facts = config["realm"]["default"]["max_facts"].as_integer().expect("a number");
    for workload in [core, edge] {
        let grace = workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_i64().expect("a number");
        assert!(grace >= drain + LAST_REQUESTS, "{grace}");
        let memory = text(&container(workload)["resources"]["limits"]["memory"]).strip_suffix("Gi").expect("GiB");
        assert!(memory.parse::<i64>().expect("a number") << 30 > facts * FACT + (128 << 20));
        let image = text(&container(workload)["image"]);
        assert_eq!(image.rsplit_once(':').expect("a tag").1, env!("CARGO_PKG_VERSION"));
    }
    assert_eq!(container(core)["image"], container(edge)["image"]);
    assert_eq!(container(edge)["env"], json!([{"name": "SEALPASS_CLUSTER__ROLE", "value": "edge"}]));
    assert_eq!(manifests.of_kind("Secret").count(), 0, "secrets are made, never written down");
}

#[test]
fn the_container_runs_as_the_manifests_say() {
    let manifests = Manifests::read();
    let lines: Vec<_> = CONTAINERFILE.lines().collect();
    let said = |word: &str| {
        let mut found = lines.iter().filter_map(|line| line.strip_prefix(word)).rev();
        found.next().unwrap_or_else(|| panic!("no {word}")).trim()
    };
    for workload in manifests.workloads() {
        let (pod, container) = (&workload["spec"]["template"]["spec"], container(workload));
        let user = &pod["securityContext"];
        assert_eq!(said("USER "), format!("{}:{}", user["runAsUser"], user["runAsGroup"]));
        assert_eq!(user["runAsUser"], user["fsGroup"]);
        assert_eq!(serde_json::from_str::<Value>(said("CMD ")).expect("a list"), container["args"]);
        let ports = list(&container["ports"]).iter();
        let ports: Vec<_> = ports
            .map(|port| {
                format!("{}/{}", port["containerPort"], port["protocol"].as_str().unwrap_or("TCP").to_lowercase())
            })
            .collect();
        assert_eq!(said("EXPOSE "), ports.join(" "));
    }
    assert!(said("COPY --from=build ").ends_with(" /usr/local/bin/sealpass"));
    assert_eq!(said("ENTRYPOINT "), "[\"/usr/local/bin/sealpass\"]");
}

/// Seconds: after `drain`, what is in flight and leaving the fleet.
const LAST_REQUESTS: i64 = 8;
/// Bytes: an ending in memory, at the most.
const FACT: i64 = 600;
const FILES: [&str; 4] = [
    include_str!("kubernetes/config.yaml"),
    include_str!("kubernetes/core.yaml"),
    include_str!("kubernetes/edge.yaml"),
    include_str!("kubernetes/network.yaml"),
];
const CONTAINERFILE: &str = include_str!("container/Containerfile");
