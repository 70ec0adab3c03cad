//! Every error code with its status. The pages under `docs/errors` are one for each; a test keeps both equal.

use http::StatusCode;

macro_rules! codes {
    ($($name:ident = $text:literal, $status:ident;)*) => {
        /// What went wrong, stable over versions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code {
            $($name,)*
        }

        impl Code {
            /// All of them.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// As it stands on the wire.
            pub(crate) fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The HTTP status.
            pub(crate) fn status(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$status,)*
                }
            }
        }
    };
}

codes! {
    // The request as such.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE;
    BodyUnreadable = "body_unreadable", BAD_REQUEST;
    ContentTypeInvalid = "content_type_invalid", UNSUPPORTED_MEDIA_TYPE;
    JsonInvalid = "json_invalid", BAD_REQUEST;
    JsonTooDeep = "json_too_deep", BAD_REQUEST;
    JsonTooManyValues = "json_too_many_values", BAD_REQUEST;
    QueryInvalid = "query_invalid", BAD_REQUEST;
    RequestInvalid = "request_invalid", UNPROCESSABLE_ENTITY;
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT;
    RouteNotFound = "route_not_found", NOT_FOUND;
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED;
    IdempotencyKeyMissing = "idempotency_key_missing", BAD_REQUEST;
    IdempotencyMismatch = "idempotency_mismatch", UNPROCESSABLE_ENTITY;
    // Who asks.
    Unauthenticated = "unauthenticated", UNAUTHORIZED;
    LoginCodeInvalid = "login_code_invalid", UNAUTHORIZED;
    Forbidden = "forbidden", FORBIDDEN;
    HostNotAllowed = "host_not_allowed", FORBIDDEN;
    CsrfInvalid = "csrf_invalid", FORBIDDEN;
    // What is asked for.
    NotFound = "not_found", NOT_FOUND;
    AgentUnknown = "agent_unknown", UNPROCESSABLE_ENTITY;
    ToolUnknown = "tool_unknown", UNPROCESSABLE_ENTITY;
    ArgumentsInvalid = "arguments_invalid", UNPROCESSABLE_ENTITY;
    NoBundle = "no_bundle", CONFLICT;
    RunFinished = "run_finished", CONFLICT;
    StepMismatch = "step_mismatch", CONFLICT;
    CheckpointConflict = "checkpoint_conflict", CONFLICT;
    CheckpointFenced = "checkpoint_fenced", CONFLICT;
    CheckpointValuesMissing = "checkpoint_values_missing", CONFLICT;
    CheckpointTooLarge = "checkpoint_too_large", PAYLOAD_TOO_LARGE;
    ThreadFull = "thread_full", CONFLICT;
    RunPaused = "run_paused", CONFLICT;
    LeaseLost = "lease_lost", CONFLICT;
    InboxFull = "inbox_full", CONFLICT;
    IncidentResolved = "incident_resolved", CONFLICT;
    LimitReached = "limit_reached", CONFLICT;
    ActionState = "action_state", CONFLICT;
    ApprovalSettled = "approval_settled", CONFLICT;
    ApprovalStale = "approval_stale", CONFLICT;
    ApprovalTwice = "approval_twice", CONFLICT;
    ApprovalExpired = "approval_expired", CONFLICT;
    ApproverNotAllowed = "approver_not_allowed", FORBIDDEN;
    BundleInvalid = "bundle_invalid", UNPROCESSABLE_ENTITY;
    BundleConflict = "bundle_conflict", CONFLICT;
    LegalHold = "legal_hold", CONFLICT;
    ReconcileNeeded = "reconcile_needed", SERVICE_UNAVAILABLE;
    WorkspaceMismatch = "workspace_mismatch", CONFLICT;
    // The world.
    FactUnavailable = "fact_unavailable", SERVICE_UNAVAILABLE;
    ConflictHeld = "conflict_held", SERVICE_UNAVAILABLE;
    Deferred = "deferred", SERVICE_UNAVAILABLE;
    Busy = "busy", SERVICE_UNAVAILABLE;
    QuotaExceeded = "quota_exceeded", INSUFFICIENT_STORAGE;
    TooManyStreams = "too_many_streams", SERVICE_UNAVAILABLE;
    Stopping = "stopping", SERVICE_UNAVAILABLE;
    ViewsFailed = "views_failed", SERVICE_UNAVAILABLE;
    DiskFull = "disk_full", SERVICE_UNAVAILABLE;
    JournalFailed = "journal_failed", SERVICE_UNAVAILABLE;
    PayloadFailed = "payload_failed", INTERNAL_SERVER_ERROR;
    Internal = "internal", INTERNAL_SERVER_ERROR;
}
