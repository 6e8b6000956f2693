//! The manual, as pages of this documentation. What is here is prose; its Rust examples run as tests.

#[doc = include_str!("quickstart.md")]
pub mod quickstart {}

#[doc = include_str!("format.md")]
pub mod format {}

#[doc = include_str!("csrf.md")]
pub mod csrf {}

#[doc = include_str!("browsers.md")]
pub mod browsers {}

#[doc = include_str!("dbsc.md")]
pub mod dbsc {}

#[doc = include_str!("threats.md")]
pub mod threats {}

#[doc = include_str!("endings.md")]
pub mod endings {}

#[doc = include_str!("architecture.md")]
pub mod architecture {}

#[doc = include_str!("operations.md")]
pub mod operations {}

#[doc = include_str!("console.md")]
pub mod console {}

#[doc = include_str!("deploy.md")]
#[doc = "\n## systemd: `sealpass.service`\n\n```text"]
#[doc = include_str!("../../tests/deploy/systemd/sealpass.service")]
#[doc = "```"]
#[doc = "\n## systemd: `sealpass.socket`\n\n```text"]
#[doc = include_str!("../../tests/deploy/systemd/sealpass.socket")]
#[doc = "```"]
#[doc = "\n## container: `Containerfile`\n\n```text"]
#[doc = include_str!("../../tests/deploy/container/Containerfile")]
#[doc = "```"]
#[doc = "\n## kubernetes: `config.yaml`\n\n```text"]
#[doc = include_str!("../../tests/deploy/kubernetes/config.yaml")]
#[doc = "```"]
#[doc = "\n## kubernetes: `core.yaml`\n\n```text"]
#[doc = include_str!("../../tests/deploy/kubernetes/core.yaml")]
#[doc = "```"]
#[doc = "\n## kubernetes: `edge.yaml`\n\n```text"]
#[doc = include_str!("../../tests/deploy/kubernetes/edge.yaml")]
#[doc = "```"]
#[doc = "\n## kubernetes: `network.yaml`\n\n```text"]
#[doc = include_str!("../../tests/deploy/kubernetes/network.yaml")]
#[doc = "```"]
pub mod deploy {}

#[doc = include_str!("decisions.md")]
pub mod decisions {}

#[doc = include_str!("replication.md")]
pub mod replication {}

#[doc = include_str!("performance.md")]
pub mod performance {}

#[doc = include_str!("scale.md")]
pub mod scale {}

#[doc = include_str!("doctor.md")]
pub mod doctor {}

#[doc = include_str!("proxies.md")]
#[doc = "\n## nginx: `sealpass.conf`\n\n```text"]
#[doc = include_str!("../../tests/proxies/nginx/sealpass.conf")]
#[doc = "```"]
#[doc = "\n## traefik: `traefik.yml`\n\n```text"]
#[doc = include_str!("../../tests/proxies/traefik/traefik.yml")]
#[doc = "```"]
#[doc = "\n## traefik: `sealpass.yml`\n\n```text"]
#[doc = include_str!("../../tests/proxies/traefik/sealpass.yml")]
#[doc = "```"]
#[doc = "\n## traefik: `ingress.yaml`\n\n```text"]
#[doc = include_str!("../../tests/proxies/traefik/ingress.yaml")]
#[doc = "```"]
#[doc = "\n## caddy: `Caddyfile`\n\n```text"]
#[doc = include_str!("../../tests/proxies/caddy/Caddyfile")]
#[doc = "```"]
#[doc = "\n## envoy: `envoy.yaml`\n\n```text"]
#[doc = include_str!("../../tests/proxies/envoy/envoy.yaml")]
#[doc = "```"]
#[doc = "\n## haproxy: `haproxy.cfg`\n\n```text"]
#[doc = include_str!("../../tests/proxies/haproxy/haproxy.cfg")]
#[doc = "```"]
#[doc = "\n## haproxy: `sealpass.lua`\n\n```text"]
#[doc = include_str!("../../tests/proxies/haproxy/sealpass.lua")]
#[doc = "```"]
#[doc = "\n## haproxy: `ingress.yaml`\n\n```text"]
#[doc = include_str!("../../tests/proxies/haproxy/ingress.yaml")]
#[doc = "```"]
pub mod proxies {}

#[doc = include_str!("migrate.md")]
pub mod migrate {}

#[doc = include_str!("leaving.md")]
pub mod leaving {}

#[doc = include_str!("privacy.md")]
pub mod privacy {}

#[doc = include_str!("asvs.md")]
pub mod asvs {}
