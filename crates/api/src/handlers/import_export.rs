//! Routes that export a notebook to a file, and import one.

use std::fmt::Write as _;

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use quire_files::Format;
use quire_service::{IdempotentOutcome, ImportFile, ImportedNotebook, NotebookService};

use crate::app_state::AppState;
use crate::etag::{self, IfNoneMatch};
use crate::extract::{Caller, NotebookPath, Query, RawBody, Received};
use crate::idempotency::{IdempotentCaller, mark_replay};
use crate::problem::{Problem, sentence};
use crate::response::{HandlerResult, json, read, resource};
use crate::wire::{ExportIn, ImportIn, ImportedOut, cell_size};

/// Maximum characters of a file's name, without its extension.
const MAX_FILE_NAME_CHARS: usize = 100;

/// Adds the route of imports, which comes before those of notebooks, so that `import` is no notebook's id.
pub(crate) fn configure_import(config: &mut web::ServiceConfig) {
    config.service(resource("/api/notebooks/import", "POST").route(web::post().to(import)));
}

/// Adds the route of exports.
pub(crate) fn configure_export(config: &mut web::ServiceConfig) {
    config.service(resource("/api/notebooks/{id}/export", "GET, HEAD").route(read().to(export)));
}

/// Exports a notebook to a file.
///
/// The file has the outputs, but not the connection string, which is a secret.
#[utoipa::path(
    get,
    path = "/api/notebooks/{id}/export",
    operation_id = "exportNotebook",
    tag = "Notebooks",
    params(NotebookPath, ExportIn, IfNoneMatch),
    responses(
        (
            status = 200,
            description = "The file.",
            content((Object = "application/json"), (Object = "application/x-ipynb+json")),
            headers(
                ("Content-Disposition" = String, description = "The name of the file."),
                ("ETag" = String, description = "The notebook's state, as in `GET`."),
            ),
        ),
        (
            status = 304,
            description = "The notebook has not changed since the state of `If-None-Match`.",
            headers(("ETag" = String, description = "The same as in the request.")),
        ),
    ),
)]
pub(crate) async fn export(
    state: web::Data<AppState>,
    Caller(user): Caller,
    NotebookPath(id): NotebookPath,
    Query(ExportIn { format: wanted }): Query<ExportIn>,
    request: HttpRequest,
) -> HandlerResult {
    let view = state.read(state.service.get(&user, &id)).await?;
    // After the notebook, so that another user gets the same error for every format.
    let format = format(wanted.as_deref())?.unwrap_or(Format::Json);
    let etag = etag::of(&view);
    if let Some(response) = etag::not_modified(request.headers(), etag.as_ref()) {
        return Ok(response);
    }
    // Reserved before the work, so that no work is done for a client that does not read its responses.
    let size: usize = view.notebook.cells.iter().map(|cell| cell_size(cell)).sum();
    let mut hold = state.hold_response(&user, size)?;
    let mut text = state.read(state.service.export(&view, format)).await?;
    text.shrink_to_fit();
    hold.adjust_to(text.len());
    let (media_type, ending) = match format {
        Format::Json => ("application/json", "json"),
        Format::Ipynb => ("application/x-ipynb+json", "ipynb"),
    };
    let name = view.notebook.name.as_deref().unwrap_or(view.notebook.id.as_str());
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, media_type)).insert_header((CONTENT_DISPOSITION, attachment(name, ending)));
    if let Some(etag) = etag {
        response.insert_header((ETAG, etag));
    }
    if view.is_stale {
        response.insert_header(("quire-stale", "true"));
    }
    let mut response = response.body(text);
    response.extensions_mut().insert(hold);
    Ok(response)
}

/// Imports a notebook from a file.
///
/// The body is the file: a notebook of Quire or Jupyter (3 to 4.5). It becomes a new notebook of yours; the file's id and owner
/// are ignored.
#[utoipa::path(
    post,
    path = "/api/notebooks/import",
    operation_id = "importNotebook",
    tag = "Notebooks",
    params(ImportIn, IdempotentCaller),
    request_body(
        description = "The file. Its `Content-Type` may be any kind of JSON.",
        content(
            (
                Object = "application/json",
                example = json!({"name": "Prices", "cells": [{"id": "price", "type": "python", "code": "price = 4"}]})
            ),
            (Object = "application/x-ipynb+json", example = json!({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []})),
        ),
    ),
    responses((status = 200, description = "The notebook was created. The notices list differences from the file.", body = ImportedOut)),
)]
pub(crate) async fn import(
    state: web::Data<AppState>,
    caller: IdempotentCaller,
    Query(ImportIn { format: told, name }): Query<ImportIn>,
    RawBody(Received { bytes, hold }): RawBody,
) -> HandlerResult {
    let file = ImportFile { bytes, format: format(told.as_deref())?, name };
    let call = async move |service: NotebookService, context| {
        let imported = service.import(context, file).await;
        drop(hold); // the body's bytes are reserved until here
        Ok(imported?)
    };
    let IdempotentOutcome { outcome, is_replay } = state.idempotent(caller, call).await?;
    let ImportedNotebook { id, name, cells, notices } = outcome;
    let notices = notices.iter().map(|notice| sentence(notice)).collect();
    mark_replay(is_replay, json(512, &ImportedOut { notebook_id: id.as_str(), name: name.as_deref(), cells, notices }))
}

fn format(text: Option<&str>) -> Result<Option<Format>, Problem> {
    match text {
        None => Ok(None),
        Some("json") => Ok(Some(Format::Json)),
        Some("ipynb") => Ok(Some(Format::Ipynb)),
        Some(_) => Err(Problem::unfit_query("format", &"it is neither json nor ipynb")),
    }
}

/// Writes `Content-Disposition` with a file's name (RFC 6266), a second time and encoded if it is not ASCII (RFC 8187).
fn attachment(name: &str, ending: &str) -> HeaderValue {
    let name = format!("{}.{ending}", file_name(name));
    let ascii: String = name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    let mut text = format!("attachment; filename=\"{ascii}\"");
    if ascii != name {
        text.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                let _ = write!(text, "%{byte:02X}"); // writing to a String cannot fail
            }
        }
    }
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("attachment"))
}

/// Makes a file's name of a notebook's name: without characters that have a meaning to file systems or headers.
fn file_name(name: &str) -> String {
    let is_special = |c: char| c.is_control() || is_direction(c) || r#"/\:*?"<>|%"#.contains(c);
    let safe: String = name.chars().map(|c| if is_special(c) { '_' } else { c }).take(MAX_FILE_NAME_CHARS).collect();
    let safe = safe.trim_matches(|c: char| c == '.' || c.is_whitespace());
    if safe.is_empty() {
        return "notebook".to_owned();
    }
    // Names of devices, with any text after their first dot.
    let device = safe.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let is_numbered = |kind: &str| device.strip_prefix(kind).is_some_and(|rest| rest.len() == 1);
    let is_device = ["CON", "PRN", "AUX", "NUL"].contains(&&*device) || is_numbered("COM") || is_numbered("LPT");
    if is_device { format!("_{safe}") } else { safe.to_owned() }
}

/// Returns whether a character changes the direction of text, so that a name could seem to have another extension.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_say_what_they_can() {
        for (name, expected) in [
            ("Sales 2026", r#"attachment; filename="Sales 2026.json""#),
            ("Übung", "attachment; filename=\"_bung.json\"; filename*=UTF-8''%C3%9Cbung.json"),
            ("a/b\\c:\"d\"\r\nX-Evil: 1", r#"attachment; filename="a_b_c__d___X-Evil_ 1.json""#),
            ("../../etc/passwd", r#"attachment; filename="_.._etc_passwd.json""#),
            ("...", r#"attachment; filename="notebook.json""#),
            ("con.txt", r#"attachment; filename="_con.txt.json""#),
            ("COM7", r#"attachment; filename="_COM7.json""#),
            ("x\u{202E}gpj", r#"attachment; filename="x_gpj.json""#),
            ("100%", r#"attachment; filename="100_.json""#),
        ] {
            assert_eq!(attachment(name, "json").to_str().unwrap(), expected, "{name}");
        }
        let long = attachment(&"ä".repeat(255), "ipynb");
        assert_eq!(long.to_str().unwrap().matches("%C3%A4").count(), MAX_FILE_NAME_CHARS);
    }
}
