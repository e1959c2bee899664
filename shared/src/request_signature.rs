//! HTTP message signatures (RFC 9421) in the one form that gates use: Ed25519 over `@method`,
//! `@path`, `@query`, `content-digest` and `portcullis-counter`.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    ids::Kid,
    keys::{CheckedKey, Sign, Signature, sha256},
    time::UtcSeconds,
};

/// Header with the counter.
pub const COUNTER_HEADER: &str = "portcullis-counter";
/// Value of the `tag` parameter.
pub const TAG: &str = "portcullis/gate/1";
/// Label of the signature in both headers.
pub const LABEL: &str = "gate";
/// Longest header value that is looked at.
pub const HEADER_LIMIT: usize = 512;

const COMPONENTS: &str =
    "(\"@method\" \"@path\" \"@query\" \"content-digest\" \"portcullis-counter\")";

/// What a request's signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoveredRequest<'a> {
    /// Upper case, e.g. `POST`.
    pub method: &'a str,
    /// Absolute path.
    pub path: &'a str,
    /// Query with its `?`; `?` alone when there is none (RFC 9421 §2.2.7).
    pub query: &'a str,
    /// The whole body.
    pub body: &'a [u8],
    /// Never used twice by a gate.
    pub counter: u64,
}

/// The signature's own parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// The gate's clock.
    pub created: UtcSeconds,
    /// Random; a signed time that comes back is bound to it.
    pub nonce: [u8; 16],
    /// The gate's key.
    pub keyid: Kid,
}

/// The headers that a signed request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHeaders {
    /// `content-digest` (RFC 9530).
    pub content_digest: String,
    /// `portcullis-counter`.
    pub counter: String,
    /// `signature-input`.
    pub signature_input: String,
    /// `signature`.
    pub signature: String,
}

/// Why the headers of a request are no signature of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureRefused {
    /// A header is missing or not in our one form.
    #[error("header {0} is missing or malformed")]
    Header(&'static str),
    /// The digest is not the body's.
    #[error("content-digest does not match the body")]
    ContentDigest,
    /// The signature does not hold.
    #[error("the signature does not hold")]
    Invalid,
}

/// `sha-256=:…:` of a body (RFC 9530).
#[must_use]
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(sha256(body).0))
}

impl Parameters {
    fn format(&self) -> String {
        format!(
            "{COMPONENTS};created={};nonce=\"{}\";keyid=\"{}\";alg=\"ed25519\";tag=\"{TAG}\"",
            self.created.0,
            STANDARD.encode(self.nonce),
            self.keyid,
        )
    }

    /// Reads a `signature-input` value in our one form.
    ///
    /// # Errors
    /// [`SignatureRefused::Header`] for any other form.
    pub fn parse(signature_input: &str) -> Result<Self, SignatureRefused> {
        let parsed = Self::parse_members(signature_input)
            .ok_or(SignatureRefused::Header("signature-input"))?;
        if format!("{LABEL}={}", parsed.format()) != signature_input {
            return Err(SignatureRefused::Header("signature-input"));
        }
        Ok(parsed)
    }

    fn parse_members(signature_input: &str) -> Option<Self> {
        if signature_input.len() > HEADER_LIMIT {
            return None;
        }
        let rest = signature_input.strip_prefix(LABEL)?.strip_prefix('=')?;
        let mut members = rest.strip_prefix(COMPONENTS)?.strip_prefix(';')?.split(';');
        let created = members.next()?.strip_prefix("created=")?.parse().ok()?;
        let nonce = unquote(members.next()?.strip_prefix("nonce=")?)?;
        let keyid = unquote(members.next()?.strip_prefix("keyid=")?)?;
        Some(Self {
            created: UtcSeconds(created),
            nonce: STANDARD.decode(nonce).ok()?.try_into().ok()?,
            keyid: Kid::from_hex(keyid)?,
        })
    }
}

fn unquote(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

/// The signature base of RFC 9421 §2.5.
#[must_use]
pub fn signature_base(request: &CoveredRequest<'_>, parameters: &Parameters) -> String {
    let lines: Vec<String> = [
        ("\"@method\"", request.method.to_string()),
        ("\"@path\"", request.path.to_string()),
        ("\"@query\"", request.query.to_string()),
        ("\"content-digest\"", content_digest(request.body)),
        ("\"portcullis-counter\"", request.counter.to_string()),
        ("\"@signature-params\"", parameters.format()),
    ]
    .into_iter()
    .map(|(name, value)| format!("{name}: {value}"))
    .collect();
    lines.join("\n")
}

/// Signs a request; returns the headers to send.
#[must_use]
pub fn sign_request(
    request: &CoveredRequest<'_>,
    created: UtcSeconds,
    nonce: [u8; 16],
    key: &impl Sign,
) -> SignedHeaders {
    let parameters = Parameters {
        created,
        nonce,
        keyid: key.kid(),
    };
    let signature = key.sign(signature_base(request, &parameters).as_bytes());
    SignedHeaders {
        content_digest: content_digest(request.body),
        counter: request.counter.to_string(),
        signature_input: format!("{LABEL}={}", parameters.format()),
        signature: format!("{LABEL}=:{}:", STANDARD.encode(signature.0)),
    }
}

/// Reads a `portcullis-counter` value: decimal digits without leading zeros.
///
/// # Errors
/// [`SignatureRefused::Header`] for anything else.
pub fn parse_counter(text: &str) -> Result<u64, SignatureRefused> {
    let counter: u64 = text
        .parse()
        .map_err(|_| SignatureRefused::Header(COUNTER_HEADER))?;
    if counter.to_string() == text {
        Ok(counter)
    } else {
        Err(SignatureRefused::Header(COUNTER_HEADER))
    }
}

/// Checks a request against the key that its `keyid` named. Counter and `created` are for the
/// caller: they need state and a time.
///
/// # Errors
/// [`SignatureRefused`] says what does not hold.
pub fn check_request(
    request: &CoveredRequest<'_>,
    headers: &SignedHeaders,
    key: &CheckedKey,
) -> Result<Parameters, SignatureRefused> {
    let parameters = Parameters::parse(&headers.signature_input)?;
    if headers.signature.len() > HEADER_LIMIT {
        return Err(SignatureRefused::Header("signature"));
    }
    if headers.content_digest != content_digest(request.body) {
        return Err(SignatureRefused::ContentDigest);
    }
    let signature = headers
        .signature
        .strip_prefix(LABEL)
        .and_then(|rest| rest.strip_prefix("=:"))
        .and_then(|rest| rest.strip_suffix(':'))
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(SignatureRefused::Header("signature"))?;
    let base = signature_base(request, &parameters);
    if parameters.keyid == key.kid() && key.signed(base.as_bytes(), &Signature(signature)) {
        Ok(parameters)
    } else {
        Err(SignatureRefused::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cose::tests::TestKey;

    fn request(body: &[u8]) -> CoveredRequest<'_> {
        CoveredRequest {
            method: "POST",
            path: "/gate/v1/journal",
            query: "?",
            body,
            counter: 12,
        }
    }

    #[test]
    fn the_signature_base_is_that_of_rfc_9421() {
        let parameters = Parameters {
            created: UtcSeconds(1_800_000_000),
            nonce: [0; 16],
            keyid: Kid([0xab; 8]),
        };
        assert_eq!(
            signature_base(&request(b"hello"), &parameters),
            "\"@method\": POST\n\
             \"@path\": /gate/v1/journal\n\
             \"@query\": ?\n\
             \"content-digest\": sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:\n\
             \"portcullis-counter\": 12\n\
             \"@signature-params\": (\"@method\" \"@path\" \"@query\" \"content-digest\" \
             \"portcullis-counter\");created=1800000000;nonce=\"AAAAAAAAAAAAAAAAAAAAAA==\";\
             keyid=\"abababababababab\";alg=\"ed25519\";tag=\"portcullis/gate/1\""
        );
    }

    #[test]
    fn a_signed_request_holds_and_a_changed_one_does_not() {
        let key = TestKey::new(1);
        let signed = sign_request(&request(b"body"), UtcSeconds(5), [1; 16], &key);
        let holds = |request: CoveredRequest<'_>| check_request(&request, &signed, &key.checked());
        assert!(holds(request(b"body")).is_ok());
        assert_eq!(
            holds(request(b"bodx")),
            Err(SignatureRefused::ContentDigest)
        );
        for changed in [
            CoveredRequest {
                method: "PUT",
                ..request(b"body")
            },
            CoveredRequest {
                path: "/gate/v1/heads",
                ..request(b"body")
            },
            CoveredRequest {
                query: "?a",
                ..request(b"body")
            },
            CoveredRequest {
                counter: 13,
                ..request(b"body")
            },
        ] {
            assert_eq!(holds(changed), Err(SignatureRefused::Invalid));
        }
        let other = check_request(&request(b"body"), &signed, &TestKey::new(2).checked());
        assert_eq!(other, Err(SignatureRefused::Invalid));
    }

    #[test]
    fn other_forms_of_the_headers_are_refused() {
        let signed = sign_request(&request(b""), UtcSeconds(5), [1; 16], &TestKey::new(1));
        assert!(Parameters::parse(&signed.signature_input).is_ok());
        for changed in [
            signed.signature_input.replace("created=5", "created=05"),
            signed.signature_input.replace("ed25519", "hmac-sha256"),
            signed.signature_input.replace("portcullis/gate/1", "other"),
            signed.signature_input.replace("\"@path\" ", ""),
            signed.signature_input.clone() + ";expires=9",
        ] {
            assert!(Parameters::parse(&changed).is_err(), "{changed}");
        }
        assert!(parse_counter("012").is_err() && parse_counter("+1").is_err());
    }
}
