//! TLS to central: known by the digest of its key, not by a certificate authority. Of the dates of
//! its certificate only an end that is certainly past counts, so that a box without a clock chip,
//! or with a wrong clock, can talk at all.

use std::sync::{Arc, RwLock};

use anyhow::Context as _;
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use shared::{ids::Digest, keys::sha256, time::UtcSeconds};

use super::{certificate::Certificate, trusted_time::TrustedTime};

/// The keys that central's certificate may have; changed when the configuration names others.
#[derive(Clone, Debug, Default)]
pub struct PinnedKeys(Arc<RwLock<Vec<Digest>>>);

impl PinnedKeys {
    /// These and no others.
    #[must_use]
    pub fn new(keys: Vec<Digest>) -> Self {
        Self(Arc::new(RwLock::new(keys)))
    }

    /// From now on these.
    pub fn replace(&self, keys: Vec<Digest>) {
        *self
            .0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = keys;
    }

    fn contain(&self, key: &Digest) -> bool {
        let keys = self.0.read();
        keys.unwrap_or_else(std::sync::PoisonError::into_inner)
            .contains(key)
    }
}

/// TLS 1.2 or 1.3 by aws-lc-rs, with central known by its key.
///
/// # Errors
/// When the cryptography library offers neither.
pub fn client_config(pinned: PinnedKeys, time: TrustedTime) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = KeyVerifier {
        pinned,
        time,
        provider: Arc::clone(&provider),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("the cryptography library knows no TLS version")?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

#[derive(Debug)]
struct KeyVerifier {
    pinned: PinnedKeys,
    time: TrustedTime,
    provider: Arc<CryptoProvider>,
}

impl KeyVerifier {
    /// `floor`: it is at least this late. That proves no certificate to be too new, so its
    /// beginning is not looked at.
    fn check(&self, certificate: &[u8], floor: UtcSeconds) -> Result<(), Error> {
        use rustls::CertificateError;
        let parsed = Certificate::parse(certificate)
            .ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if !self.pinned.contain(&sha256(parsed.public_key_info)) {
            return Err(Error::General(
                "central's certificate has another key than the claim or the configuration names"
                    .into(),
            ));
        }
        if floor > parsed.not_after {
            return Err(Error::InvalidCertificate(CertificateError::Expired));
        }
        Ok(())
    }
}

impl ServerCertVerifier for KeyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, self.time.floor())?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}

#[cfg(test)]
mod tests;
