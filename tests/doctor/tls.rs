//! TLS in front of the proxy, under a certificate that nobody knows.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Hands the head of each request on to `inner`. Returns where it listens, and its certificate in PEM.
pub fn start(inner: SocketAddr) -> (SocketAddr, String) {
    start_with(inner, IsCa::NoCa)
}

/// The same with a certificate that says that it is a CA's.
pub fn start_as_ca(inner: SocketAddr) -> (SocketAddr, String) {
    start_with(inner, IsCa::Ca(BasicConstraints::Unconstrained))
}

fn start_with(inner: SocketAddr, is_ca: IsCa) -> (SocketAddr, String) {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    params.is_ca = is_ca;
    let signing = KeyPair::generate().expect("a key");
    let cert = params.self_signed(&signing).expect("a certificate");
    let key = PrivatePkcs8KeyDer::from(signing.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .expect("a right certificate");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    let at = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            thread::spawn(move || serve(config, stream, inner));
        }
    });
    (at, cert.pem())
}

fn serve(config: Arc<ServerConfig>, stream: TcpStream, inner: SocketAddr) -> io::Result<()> {
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut outer = StreamOwned::new(connection, stream);
    let mut head = Vec::new();
    let mut room = [0; 4 << 10];
    while !head.ends_with(b"\r\n\r\n") {
        match outer.read(&mut room)? {
            0 => return Ok(()),
            read => head.extend_from_slice(&room[..read]),
        }
    }
    let mut inner = TcpStream::connect(inner)?;
    inner.write_all(&head)?;
    let mut answer = Vec::new();
    inner.read_to_end(&mut answer)?;
    outer.write_all(&answer)?;
    outer.conn.send_close_notify();
    outer.flush()
}
