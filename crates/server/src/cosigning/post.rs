//! One request to a witness: bounded in time and size, without redirects.

use std::time::Duration;

use ::witness::ANSWER_BYTES_MAX;
use anyhow::{Context as _, Result, bail};

/// How long a witness may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where `add-checkpoint` is, from the prefix that the policy gives.
pub(crate) fn address(prefix: &str) -> Result<String> {
    if !(prefix.starts_with("http://") || prefix.starts_with("https://")) {
        bail!("its address is not an http or https one");
    }
    let url = format!("{}/add-checkpoint", prefix.trim_end_matches('/'));
    drop(url.parse::<http::Uri>().context("its address is not one")?);
    Ok(url)
}

/// Sends checkpoints, which are public, and nothing else.
#[derive(Debug)]
pub(crate) struct Poster(reqwest::Client);

impl Poster {
    pub(crate) fn new() -> Result<Self> {
        // Another part of the process may have chosen the provider already; then that one stands.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .connect_timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .build()
            .context("the HTTP client cannot be made")?;
        Ok(Self(client))
    }

    /// Status and body.
    pub(crate) async fn post(&self, url: &str, body: String) -> Result<(u16, Vec<u8>), String> {
        let told = |error: reqwest::Error| match (error.is_timeout(), error.is_connect()) {
            (true, _) => "it did not answer in time".to_owned(),
            (_, true) => "it cannot be reached".to_owned(),
            _ => "the conversation broke off".to_owned(),
        };
        let mut answer = self.0.post(url).body(body).send().await.map_err(told)?;
        let status = answer.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(told)? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(format!("its answer is longer than {ANSWER_BYTES_MAX} bytes"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((status, bytes))
    }
}
