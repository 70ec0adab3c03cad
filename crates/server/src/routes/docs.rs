//! The description of the API and the pages of errors. Open to all: they say nothing about the workspace.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use crate::assets;
use crate::codes::Code;
use crate::problem::Fault;

pub(super) async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], crate::openapi::openapi_json()).into_response()
}

pub(super) async fn error_page(Path(code): Path<String>) -> Result<Response, Fault> {
    let text = assets::error_page(&code).ok_or_else(|| {
        Fault::new(
            Code::RouteNotFound,
            "there is no page for this code",
            "the code stands in the error's `code`",
        )
    })?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}
