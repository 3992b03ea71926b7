//! The one table of error codes, statuses and titles. `docs/http-status-codes.md` gives the reasons.

use actix_web::http::StatusCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:ident, $title:literal;)*) => {
        /// An error code, by which clients tell errors apart. Codes are stable; titles and details may change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// All codes, in the order of the table.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the name on the wire, the status and the title.
            pub(crate) const fn row(self) -> (&'static str, StatusCode, &'static str) {
                match self {
                    $(Self::$name => ($code, StatusCode::$status, $title),)*
                }
            }
        }
    };
}

codes! {
    BadRequest = "bad_request", BAD_REQUEST, "The request is not well formed";
    NotSignedIn = "not_signed_in", UNAUTHORIZED, "The request is not signed in";
    BadToken = "bad_token", UNAUTHORIZED, "The token is not valid";
    InactiveUser = "inactive_user", FORBIDDEN, "The user is not active";
    ForbiddenHost = "forbidden_host", FORBIDDEN, "The host is not allowed";
    ForbiddenOrigin = "forbidden_origin", FORBIDDEN, "The origin is not allowed";
    ForbiddenContentType = "forbidden_content_type", FORBIDDEN, "The body is not announced as JSON";
    ForeignNotebook = "foreign_notebook", FORBIDDEN, "The notebook belongs to another user";
    ExecutionOff = "execution_off", FORBIDDEN, "The server runs no cells";
    OverQuota = "over_quota", FORBIDDEN, "The user's quota is exceeded";
    UnknownRoute = "unknown_route", NOT_FOUND, "There is no such route";
    UnknownNotebook = "unknown_notebook", NOT_FOUND, "There is no such notebook";
    UnknownRun = "unknown_run", NOT_FOUND, "There is no such run";
    UnknownCell = "unknown_cell", NOT_FOUND, "There is no such cell";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The route does not have this method";
    SlowBody = "slow_body", REQUEST_TIMEOUT, "The body took too long";
    PreconditionFailed = "precondition_failed", PRECONDITION_FAILED, "The notebook is not as If-Match says";
    RevisionConflict = "revision_conflict", CONFLICT, "The notebook has changed";
    KernelElsewhere = "kernel_elsewhere", CONFLICT, "Another server has the notebook's kernel";
    TooLarge = "too_large", PAYLOAD_TOO_LARGE, "The request is too large";
    EncodedBody = "encoded_body", UNSUPPORTED_MEDIA_TYPE, "The body is compressed";
    MalformedJson = "malformed_json", UNPROCESSABLE_ENTITY, "The body is not JSON";
    DoesNotFit = "does_not_fit", UNPROCESSABLE_ENTITY, "The request does not fit the route";
    PasswordMasked = "password_masked", UNPROCESSABLE_ENTITY, "The password must be entered again";
    NoSecretKey = "no_secret_key", UNPROCESSABLE_ENTITY, "The server cannot store connection strings";
    KeyReused = "key_reused", UNPROCESSABLE_ENTITY, "The Idempotency-Key was used for another request";
    BeyondLimit = "beyond_limit", UNPROCESSABLE_ENTITY, "A value is beyond its limit";
    TooManyRequests = "too_many_requests", TOO_MANY_REQUESTS, "Too many requests";
    TooMuchAtOnce = "too_much_at_once", TOO_MANY_REQUESTS, "Too much work is in progress for the user";
    Internal = "internal", INTERNAL_SERVER_ERROR, "The server failed";
    NotebookDamaged = "notebook_damaged", INTERNAL_SERVER_ERROR, "The stored notebook is damaged";
    ServerBusy = "server_busy", SERVICE_UNAVAILABLE, "Too much work is in progress on the server";
    Contended = "contended", SERVICE_UNAVAILABLE, "The notebook is being changed by others";
    ReadOnly = "read_only", SERVICE_UNAVAILABLE, "The server is read-only";
    NotResponding = "not_responding", SERVICE_UNAVAILABLE, "The server is not responding";
    ShuttingDown = "shutting_down", SERVICE_UNAVAILABLE, "The server is shutting down";
    SignInUnavailable = "sign_in_unavailable", SERVICE_UNAVAILABLE, "Signing in is not available for the moment";
    StoreUnavailable = "store_unavailable", SERVICE_UNAVAILABLE, "The notebook store is not available";
    StoreOverloaded = "store_overloaded", SERVICE_UNAVAILABLE, "The notebook store is overloaded";
    MemoryFull = "memory_full", SERVICE_UNAVAILABLE, "The server has no memory left for the notebook";
    OutcomeUnknown = "outcome_unknown", SERVICE_UNAVAILABLE, "The outcome of the change is unknown";
    TookTooLong = "took_too_long", SERVICE_UNAVAILABLE, "The response took too long";
    StorageFull = "storage_full", INSUFFICIENT_STORAGE, "There is no room to store the change";
    /// An error of the HTTP library; the status is the library's.
    Other = "other", INTERNAL_SERVER_ERROR, "The request was refused";
}
