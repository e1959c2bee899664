//! When the connection to PostgreSQL is encrypted, and whom it trusts.

use anyhow::bail;
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Makes "prefer", which an attacker on the way can turn off, a decision: no TLS within this
/// machine, verified TLS to any other. `sslmode=disable` is the operator's own word.
pub(super) fn settle_mode(config: &mut Config) {
    match config.get_ssl_mode() {
        SslMode::Disable | SslMode::Require => {}
        _ => {
            let mode = if is_local(config) {
                SslMode::Disable
            } else {
                SslMode::Require
            };
            config.ssl_mode(mode);
        }
    }
}

/// A connector with the system's certificate authorities; `None` when TLS is off.
pub(super) fn connector(config: &Config) -> anyhow::Result<Option<MakeRustlsConnect>> {
    if config.get_ssl_mode() != SslMode::Require {
        return Ok(None);
    }
    match MakeRustlsConnect::with_native_certs() {
        Ok((connector, _)) => Ok(Some(connector)),
        Err(errors) => bail!(
            "TLS to PostgreSQL needs certificate authorities, and this system has none ({errors:?}): install \
             ca-certificates, name a file in SSL_CERT_FILE, or write sslmode=disable into DATABASE_URL"
        ),
    }
}

fn is_local(config: &Config) -> bool {
    let is_loopback = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        }
    };
    config.get_hosts().iter().all(is_loopback)
        && config
            .get_hostaddrs()
            .iter()
            .all(std::net::IpAddr::is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(url: &str) -> SslMode {
        let mut config: Config = url.parse().unwrap();
        settle_mode(&mut config);
        config.get_ssl_mode()
    }

    #[test]
    fn another_machine_is_reached_with_tls_unless_the_operator_says_otherwise() {
        assert_eq!(settled("postgresql://a@db.example/b"), SslMode::Require);
        assert_eq!(
            settled("postgresql://a@db.example/b?sslmode=disable"),
            SslMode::Disable
        );
        assert_eq!(settled("postgresql://a@127.0.0.1/b"), SslMode::Disable);
        assert_eq!(
            settled("postgresql://a@%2Frun%2Fpostgresql/b"),
            SslMode::Disable
        );
        assert_eq!(
            settled("postgresql://a@localhost,db.example/b"),
            SslMode::Require
        );
        assert_eq!(
            settled("postgresql://a@localhost/b?sslmode=require"),
            SslMode::Require
        );
    }
}
