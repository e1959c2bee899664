//! Central's address: a scheme, a host and a port, and whether it may be talked to in the clear.

use std::net::IpAddr;

use reqwest::Url;

/// An address that requests may go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CentralAddress {
    origin: Url,
}

/// Why an address is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefused {
    /// It is no address of a server.
    #[error("{address:?} is not an address like https://gates.example.org: make a new claim")]
    Malformed {
        /// What was given.
        address: String,
    },
    /// Plain HTTP to another machine.
    #[error(
        "{address} is not encrypted, and central is on another machine: give central a TLS certificate and make a new claim"
    )]
    NotEncrypted {
        /// What was given.
        address: String,
    },
    /// TLS without a key to know central by.
    #[error(
        "the claim for {address} names no TLS key, so this gate could not tell central from an impostor: tell central its certificate's key and make a new claim"
    )]
    NoKey {
        /// What was given.
        address: String,
    },
}

/// Does the gate know a key to check central's certificate by?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsKeys {
    /// At least one.
    Known,
    /// None.
    Unknown,
}

impl CentralAddress {
    /// Reads an address. Plain HTTP is for this very machine alone.
    ///
    /// # Errors
    /// [`AddressRefused`] says what to do.
    pub fn parse(address: &str, keys: TlsKeys) -> Result<Self, AddressRefused> {
        let owned = || address.to_owned();
        let malformed = || AddressRefused::Malformed { address: owned() };
        let url = Url::parse(address).map_err(|_| malformed())?;
        let has_more = !url.username().is_empty()
            || url.password().is_some()
            || url.path() != "/"
            || url.query().is_some()
            || url.fragment().is_some();
        if has_more || !url.has_host() {
            return Err(malformed());
        }
        match (url.scheme(), keys) {
            ("https", TlsKeys::Known) => Ok(Self { origin: url }),
            ("https", TlsKeys::Unknown) => Err(AddressRefused::NoKey { address: owned() }),
            ("http", _) if is_this_machine(&url) => Ok(Self { origin: url }),
            ("http", _) => Err(AddressRefused::NotEncrypted { address: owned() }),
            (_, _) => Err(malformed()),
        }
    }

    /// Where a request goes.
    #[must_use]
    pub fn join(&self, path: &str) -> Url {
        let mut url = self.origin.clone();
        url.set_path(path);
        url
    }
}

fn is_this_machine(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    // A name can be made to mean anything; `localhost` never leaves the machine (RFC 6761 §6.3).
    host == "localhost"
        || host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_alone_and_tls_needs_a_key() {
        use TlsKeys::{Known, Unknown};
        for good in [
            "http://127.0.0.1:8480",
            "http://localhost",
            "http://[::1]:80/",
        ] {
            assert!(CentralAddress::parse(good, Unknown).is_ok(), "{good}");
        }
        assert!(CentralAddress::parse("https://gates.example.org", Known).is_ok());
        let refused = |address| CentralAddress::parse(address, Unknown).unwrap_err();
        assert!(matches!(
            refused("https://gates.example.org"),
            AddressRefused::NoKey { .. }
        ));
        for open in [
            "http://gates.example.org",
            "http://192.0.2.1",
            "http://127.0.0.1.example.org",
            "http://0.0.0.0",
        ] {
            assert!(
                matches!(refused(open), AddressRefused::NotEncrypted { .. }),
                "{open}"
            );
            assert!(CentralAddress::parse(open, Known).is_err(), "{open}");
        }
    }

    #[test]
    fn what_is_no_address_of_a_server_is_refused() {
        for bad in [
            "",
            "gates",
            "ftp://127.0.0.1",
            "http://user@127.0.0.1",
            "http://127.0.0.1/path",
            "http://127.0.0.1?q",
            "unix:/x",
            "http://",
        ] {
            let refused = CentralAddress::parse(bad, TlsKeys::Known).unwrap_err();
            assert!(matches!(refused, AddressRefused::Malformed { .. }), "{bad}");
        }
    }

    #[test]
    fn requests_go_to_paths_of_the_address() {
        let address = CentralAddress::parse("http://127.0.0.1:8480", TlsKeys::Unknown).unwrap();
        assert_eq!(
            address.join("/gate/v1/heads").as_str(),
            "http://127.0.0.1:8480/gate/v1/heads"
        );
    }
}
