//! A client of central's web API, as thin as `curl`: it sends JSON and gives JSON back.

use anyhow::{Context, bail};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

/// Somebody with a bearer token.
#[derive(Clone, Debug)]
pub struct Admin {
    client: Client,
    /// Central's address, without a slash at its end.
    pub url: String,
    /// The bearer token.
    pub token: String,
}

/// What central answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body; null when it is no JSON.
    pub json: Value,
    /// The body.
    pub bytes: Vec<u8>,
}

impl Admin {
    /// At an address with a token.
    #[must_use]
    pub fn new(url: &str, token: &str) -> Self {
        Self {
            client: Client::new(),
            url: url.to_owned(),
            token: token.to_owned(),
        }
    }

    /// Sends a request and gives the answer, whatever its status.
    ///
    /// # Errors
    /// When central does not answer.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let mut request = self
            .client
            .request(method.clone(), format!("{}{path}", self.url))
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request
            .send()
            .await
            .with_context(|| format!("{method} {path}: central does not answer"))?;
        let status = answer.status();
        let bytes = answer
            .bytes()
            .await
            .with_context(|| format!("{method} {path}: the answer broke off"))?
            .to_vec();
        Ok(Answer {
            status,
            json: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            bytes,
        })
    }

    async fn expect(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let answer = self.ask(method.clone(), path, body).await?;
        if !answer.status.is_success() {
            let text = String::from_utf8_lossy(&answer.bytes);
            bail!("{method} {path}: {} {text}", answer.status);
        }
        Ok(answer)
    }

    /// `GET`, which succeeds.
    ///
    /// # Errors
    /// When it does not.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.expect(Method::GET, path, None).await?.json)
    }

    /// `GET` of something that is no JSON.
    ///
    /// # Errors
    /// When it does not succeed.
    pub async fn get_bytes(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        Ok(self.expect(Method::GET, path, None).await?.bytes)
    }

    /// `POST`, which succeeds.
    ///
    /// # Errors
    /// When it does not.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        Ok(self.expect(Method::POST, path, Some(body)).await?.json)
    }

    /// `POST` of something that is no JSON; gives the answer, whatever its status.
    ///
    /// # Errors
    /// When central does not answer.
    pub async fn post_bytes(&self, path: &str, body: Vec<u8>) -> anyhow::Result<Answer> {
        let sent = self
            .client
            .post(format!("{}{path}", self.url))
            .bearer_auth(&self.token)
            .body(body)
            .send();
        let answer = sent.await.with_context(|| format!("POST {path}"))?;
        let status = answer.status();
        let bytes = answer
            .bytes()
            .await
            .with_context(|| format!("POST {path}"))?;
        Ok(Answer {
            status,
            json: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            bytes: bytes.to_vec(),
        })
    }

    /// `PUT`, which succeeds.
    ///
    /// # Errors
    /// When it does not.
    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        Ok(self.expect(Method::PUT, path, Some(body)).await?.json)
    }

    /// All items of a list, page by page.
    ///
    /// # Errors
    /// When a page does not come.
    pub async fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let page = match &cursor {
                Some(cursor) => {
                    self.get(&format!("{path}{separator}cursor={cursor}"))
                        .await?
                }
                None => self.get(path).await?,
            };
            let Some(found) = page["items"].as_array() else {
                bail!("GET {path}: no items in {page}");
            };
            items.extend(found.iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(items),
            }
        }
    }
}

/// A text in a JSON object.
///
/// # Errors
/// When there is none of this name.
pub fn text(object: &Value, name: &str) -> anyhow::Result<String> {
    object[name]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("no text {name:?} in {object}"))
}

/// A number in a JSON object.
///
/// # Errors
/// When there is none of this name.
pub fn number(object: &Value, name: &str) -> anyhow::Result<i64> {
    object[name]
        .as_i64()
        .with_context(|| format!("no number {name:?} in {object}"))
}
