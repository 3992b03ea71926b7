//! Every answer of every test, held against the API's description: the status is described, the body has what its schema
//! says, and no field more.

use std::sync::LazyLock;

use actix_web::http::Method;
use serde_json::Value;

use crate::support::Reply;

/// The description as it is checked in, which is the one that is served: `openapi` makes sure.
pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../../docs/openapi.json")).unwrap());

pub(crate) fn check(method: &Method, path: &str, reply: &Reply) {
    let Some(operation) = operation(method, path) else { return };
    let answer = &operation["responses"][reply.status.to_string()];
    let code = (reply.status >= 400).then(|| serde_json::from_slice::<Value>(&reply.body).ok()).flatten();
    let code = code.as_ref().and_then(|problem| problem["code"].as_str());
    // Refused because of a body on a route that takes none, which is not described.
    let stray_body = matches!(code, Some("forbidden_content_type" | "too_large" | "slow_body" | "bad_request"));
    if stray_body && operation["requestBody"].is_null() {
        return;
    }
    assert!(!answer.is_null(), "{method} {path}: the status {} is not described: {reply:?}", reply.status);
    let answer = resolve(answer);
    if method == Method::HEAD {
        return;
    }
    let Some(kind) = reply.header("content-type") else {
        assert!(answer["content"].is_null() && reply.body.is_empty(), "{method} {path}: no body, but one is described");
        return;
    };
    let schema = &answer["content"][kind]["schema"];
    assert!(!schema.is_null(), "{method} {path}: a body of type {kind} is not described");
    if let Err(reason) = fits(schema, &reply.json(), true) {
        panic!("{method} {path}: the answer {} is not as described: {reason}: {:?}", reply.status, reply.body);
    }
}

/// Returns the operation of a request, if it is described.
fn operation(method: &Method, path: &str) -> Option<&'static Value> {
    let method = if method == Method::HEAD { "get".to_owned() } else { method.as_str().to_lowercase() };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let (_, item) = paths.iter().find(|(template, _)| is_of(path, template))?;
    item.get(method)
}

fn is_of(path: &str, template: &str) -> bool {
    let (path, template): (Vec<_>, Vec<_>) = (path.split('/').collect(), template.split('/').collect());
    let same = |(given, part): (&&str, &&str)| given == part || part.starts_with('{') && !given.is_empty();
    path.len() == template.len() && path.iter().zip(&template).all(same)
}

pub(crate) fn resolve(value: &'static Value) -> &'static Value {
    let Some(place) = value["$ref"].as_str() else { return value };
    DOCUMENT.pointer(place.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("{place} is not there"))
}

/// Checks a value against a schema. If `whole`, an object must have no fields that are not in the schema.
fn fits(schema: &'static Value, value: &Value, whole: bool) -> Result<(), String> {
    let schema = resolve(schema);
    if let Some(parts) = schema["allOf"].as_array() {
        // The first is what it is; the others narrow it.
        return parts.iter().enumerate().try_for_each(|(index, part)| fits(part, value, whole && index == 0));
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let refusals: Vec<_> = choices.iter().filter_map(|choice| fits(choice, value, whole).err()).collect();
        let is_one = refusals.len() + 1 == choices.len();
        return if is_one { Ok(()) } else { Err(format!("{value} is not one of its choices: {refusals:?}")) };
    }
    let types: Vec<_> = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    if !types.contains(&type_of(value)) {
        return Err(format!("{value} is not of the types {types:?}"));
    }
    if schema["enum"].as_array().is_some_and(|names| !names.contains(value)) {
        return Err(format!("{value} is not one of {}", schema["enum"]));
    }
    for item in value.as_array().into_iter().flatten() {
        fits(&schema["items"], item, whole)?;
    }
    let (Some(fields), Some(known)) = (value.as_object(), schema["properties"].as_object()) else { return Ok(()) };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        fields.get(name).ok_or_else(|| format!("the field {name} is missing"))?;
    }
    for (name, field) in fields {
        match known.get(name) {
            Some(schema) => fits(schema, field, whole).map_err(|reason| format!("{name}: {reason}"))?,
            None if whole => return Err(format!("the field {name} is not described")),
            None => {}
        }
    }
    Ok(())
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
