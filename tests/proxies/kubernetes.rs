//! As much of the API of Kubernetes as an ingress controller reads: lists of what is in a file of manifests, and of the
//! Services that it names. Nothing ever changes.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::wire::Wire;

/// Serves the manifests, with a Service of each name on this machine, until the process ends.
pub fn start(manifests: &str, services: &[(&str, SocketAddr)]) -> SocketAddr {
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(manifests).expect("manifests");
    for (name, at) in services {
        let port = at.port();
        objects.push(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "ports": [{"port": port, "protocol": "TCP"}]}}));
        objects.push(json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
            "endpoints": [{"addresses": [at.ip()], "conditions": {"ready": true, "serving": true}}],
            "ports": [{"name": "", "port": port, "protocol": "TCP"}]}));
    }
    for object in &mut objects {
        object["metadata"]["namespace"] = "default".into();
        object["metadata"]["resourceVersion"] = "1".into();
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    let at = listener.local_addr().expect("bound");
    let objects = Arc::new(objects);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let objects = Arc::clone(&objects);
            thread::spawn(move || serve(stream, &objects));
        }
    });
    at
}

fn serve(stream: TcpStream, objects: &[Value]) {
    let mut wire = Wire::over(stream);
    while answer(&mut wire, objects).is_ok() {}
}

fn answer(wire: &mut Wire, objects: &[Value]) -> io::Result<()> {
    let request = wire.line()?;
    wire.headers()?;
    let target = request.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if query.contains("sendInitialEvents") {
        // A client that asks so lists and watches when it is told that this is not to be had.
        let refused =
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Invalid", "code": 422});
        return send(wire, "422 Unprocessable Content", &refused);
    }
    if query.contains("watch=") {
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            thread::sleep(Duration::from_secs(60)); // nothing happens
        }
    }
    let (group, plural) =
        path.trim_start_matches("/apis/").trim_start_matches("/api/").rsplit_once('/').unwrap_or_default();
    let kind = KINDS.into_iter().find(|kind| format!("{}s", kind.to_lowercase()) == plural);
    let Some(kind) = kind else { return send(wire, "404 Not Found", &json!({})) };
    let items: Vec<_> = objects.iter().filter(|object| object["kind"] == kind).collect();
    let list = json!({"apiVersion": group, "kind": format!("{kind}List"), "metadata": {"resourceVersion": "1"}, "items": items});
    send(wire, "200 OK", &list)
}

fn send(wire: &mut Wire, status: &str, body: &Value) -> io::Result<()> {
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}", body.len());
    wire.send(format!("{head}\r\n\r\n{body}").as_bytes())
}

/// What Traefik's provider lists.
const KINDS: [&str; 15] = [
    "Service",
    "EndpointSlice",
    "Secret",
    "ConfigMap",
    "Node",
    "IngressRoute",
    "IngressRouteTCP",
    "IngressRouteUDP",
    "Middleware",
    "MiddlewareTCP",
    "ServersTransport",
    "ServersTransportTCP",
    "TLSOption",
    "TLSStore",
    "TraefikService",
];
