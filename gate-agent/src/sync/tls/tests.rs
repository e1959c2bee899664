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

/// A gate that believes `believed` and whose mark is `mark`.
async fn talk(
    port: u16,
    key: Digest,
    believed: UtcSeconds,
    mark: UtcSeconds,
) -> Result<Vec<u8>, String> {
    let time = TrustedTime::new(Clock::system(), Uptime(u64::MAX), believed, mark);
    let client = http_client(PinnedKeys::new(vec![key]), time).unwrap();
    let request = client.post(format!("https://127.0.0.1:{port}/"));
    match exchange(request, "/", 100).await {
        Ok(body) => Ok(body),
        Err(CallFailed::Unreachable(why)) => Err(why),
        Err(other) => panic!("{other}"),
    }
}

const DAY_S: u64 = 86_400;

#[tokio::test]
async fn central_is_known_by_its_key_until_its_certificate_has_certainly_ended() {
    let port = serve().await;
    let parsed = Certificate::parse(CERTIFICATE).unwrap();
    let key = sha256(parsed.public_key_info);
    let good = parsed.not_before.plus(DAY_S);
    assert_eq!(talk(port, key, good, good).await, Ok(b"ok".to_vec()));
    let last = parsed.not_after;
    assert_eq!(talk(port, key, last, last).await, Ok(b"ok".to_vec()));

    let other_key = talk(port, Digest([1; 32]), good, good).await.unwrap_err();
    assert!(other_key.contains("another key"), "{other_key}");
    // Whatever is believed, the mark is past.
    for believed in [last.plus(1), good, UtcSeconds(0)] {
        let ended = talk(port, key, believed, last.plus(1)).await.unwrap_err();
        assert!(ended.contains("certificate"), "{ended}");
    }
}

#[tokio::test]
async fn a_gate_that_wakes_in_1970_behind_a_renewal_of_the_certificate_reaches_central() {
    let port = serve().await;
    let parsed = Certificate::parse(CERTIFICATE).unwrap();
    let key = sha256(parsed.public_key_info);
    // It last heard of central weeks before the renewal; its wall clock is not believed.
    let mark = parsed.not_before.minus(30 * DAY_S);
    assert_eq!(talk(port, key, mark, mark).await, Ok(b"ok".to_vec()));
    let never = UtcSeconds(0);
    assert_eq!(talk(port, key, never, never).await, Ok(b"ok".to_vec()));
}

#[tokio::test]
async fn a_gate_that_wakes_behind_the_end_of_every_certificate_reaches_central() {
    let port = serve().await;
    let parsed = Certificate::parse(CERTIFICATE).unwrap();
    let key = sha256(parsed.public_key_info);
    // Nothing signed speaks against a wall clock that is ahead, so it is believed at first.
    let ahead = parsed.not_after.plus(10 * 365 * DAY_S);
    let mark = parsed.not_before.plus(DAY_S);
    assert_eq!(talk(port, key, ahead, mark).await, Ok(b"ok".to_vec()));
}

#[tokio::test]
async fn other_keys_are_believed_once_the_configuration_names_them() {
    let port = serve().await;
    let parsed = Certificate::parse(CERTIFICATE).unwrap();
    let pinned = PinnedKeys::new(vec![Digest([1; 32])]);
    let good = parsed.not_before.plus(1);
    let time = TrustedTime::new(Clock::system(), Uptime(u64::MAX), good, good);
    let client = http_client(pinned.clone(), time).unwrap();
    let ask = || exchange(client.post(format!("https://127.0.0.1:{port}/")), "/", 100);
    assert!(ask().await.is_err());
    pinned.replace(vec![Digest([2; 32]), sha256(parsed.public_key_info)]);
    assert_eq!(ask().await.unwrap(), b"ok");
}
