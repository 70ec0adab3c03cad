//! Briefs: what whoever takes a run up must know.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use brief::{TOKENS_MIN, Tokenizer};
use serde::Deserialize;

use super::actions::reader;
use crate::access::Right;
use crate::app::App;
use crate::body::Asked;
use crate::caller::Caller;
use crate::codes::Code;
use crate::problem::Fault;
use crate::show;

/// Tokens of a brief unless told otherwise.
const TOKENS: usize = 2_000;
/// The largest brief.
const TOKENS_MAX: usize = 32_000;

#[derive(Debug, Deserialize)]
pub(crate) struct BriefAsked {
    tokens: Option<usize>,
    tokenizer: Option<String>,
}

/// The run's brief: goal, decisions with reasons, open questions, facts with age, in at most so many tokens.
#[utoipa::path(get, path = "/v1/runs/{run}/brief", params(("run" = String, Path), ("tokens" = Option<usize>, Query, description = "128 to 32,000; 2,000 unless said"), ("tokenizer" = Option<String>, Query, description = "`o200k_base` unless said, or `cl100k_base`")), responses((status = 200, body = api::Brief)))]
pub(crate) async fn get_brief(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(asked): Asked<BriefAsked>,
) -> Result<Answer<api::Brief>, Fault> {
    caller.may(Right::See)?;
    let tokens = asked.tokens.unwrap_or(TOKENS);
    if !(TOKENS_MIN..=TOKENS_MAX).contains(&tokens) {
        return Err(Fault::new(
            Code::QueryInvalid,
            format!("a brief of {tokens} tokens is not made"),
            format!("ask for {TOKENS_MIN} to {TOKENS_MAX}"),
        ));
    }
    let tokenizer = match &asked.tokenizer {
        None => Tokenizer::default(),
        Some(name) => Tokenizer::parse(name).ok_or_else(|| {
            Fault::new(
                Code::QueryInvalid,
                "this tokenizer is not known here",
                "`o200k_base` or `cl100k_base`",
            )
        })?,
    };
    let run = app.run_seen(&id, &caller).await?;
    let now = app.clock.now().wall;
    let reader = reader(&caller);
    Ok(Answer(app.look(move |app| show::brief(app, &run, reader, now, tokens, tokenizer)).await?))
}
