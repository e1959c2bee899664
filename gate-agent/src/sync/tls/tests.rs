//! Real handshakes with a real server on the loopback.

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use shared::time::Uptime;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{
    clock::Clock,
    sync::client::{CallFailed, exchange, http_client},
};

const CERTIFICATE: &[u8] = include_bytes!("../../../tests/fixtures/tls/central-p256.der");
const KEY: &[u8] = include_bytes!("../../../tests/fixtures/tls/central-p256-test-key.pk8");

/// Answers one request after the other with an empty body; gives its port.
async fn serve() -> u16 {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(CERTIFICATE)],
            PrivateKeyDer::try_from(KEY).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not like the certificate goes away.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

async fn talk(port: u16, key: Digest, now: UtcSeconds) -> Result<Vec<u8>, String> {
    let time = TrustedTime::new(Clock::system(), Uptime(u64::MAX), now);
    let client = http_client(PinnedKeys::new(vec![key]), time).unwrap();
    let request = client.post(format!("https://127.0.0.1:{port}/"));
    match exchange(request, "/", 100).await {
        Ok(body) => Ok(body),
        Err(CallFailed::Unreachable(why)) => Err(why),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn central_is_known_by_its_key_at_the_time_that_the_gate_believes() {
    let port = serve().await;
    let parsed = Certificate::parse(CERTIFICATE).unwrap();
    let key = sha256(parsed.public_key_info);
    let day = 86_400;
    let good = parsed.not_before.plus(day);
    assert_eq!(talk(port, key, good).await, Ok(b"ok".to_vec()));
    // The machine's own clock does not matter.
    assert_eq!(talk(port, key, parsed.not_after).await, Ok(b"ok".to_vec()));

    let other_key = talk(port, Digest([1; 32]), good).await.unwrap_err();
    assert!(other_key.contains("another key"), "{other_key}");
    for wrong in [
        parsed.not_before.minus(1),
        parsed.not_after.plus(1),
        UtcSeconds(0),
    ] {
        let dated = talk(port, key, wrong).await.unwrap_err();
        assert!(dated.contains("certificate"), "{dated}");
    }
}

#[tokio::test]
async fn other_keys_are_believed_once_the_configuration_names_them() {
    let port = serve().await;
    let parsed = Certificate::parse(CERTIFICATE).unwrap();
    let pinned = PinnedKeys::new(vec![Digest([1; 32])]);
    let time = TrustedTime::new(Clock::system(), Uptime(u64::MAX), parsed.not_before.plus(1));
    let client = http_client(pinned.clone(), time).unwrap();
    let ask = || exchange(client.post(format!("https://127.0.0.1:{port}/")), "/", 100);
    assert!(ask().await.is_err());
    pinned.replace(vec![Digest([2; 32]), sha256(parsed.public_key_info)]);
    assert_eq!(ask().await.unwrap(), b"ok");
}
