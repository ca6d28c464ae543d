//! What goes on as long as a lease does: measurements and events, a line of JSON each.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::leases::{lasting, lease_of};
use super::{ApiError, Context};

#[derive(Deserialize)]
pub(super) struct StatsQuery {
    #[serde(default)]
    follow: bool,
    since: Option<u64>,
}

/// `GET /v1/leases/{lease}/stats?since=&follow=`
pub(super) async fn stats(
    State(context): State<Arc<Context>>,
    Path(lease): Path<String>,
    query: Result<Query<StatsQuery>, QueryRejection>,
    request: Request,
) -> Result<Response, ApiError> {
    let (lease, caller) = lease_of(&context, &lease, request)?;
    let Query(query) = query.map_err(|e| ApiError::bad_body(e.body_text()))?;
    let feed = context.directory.stats(&lease, query.since, query.follow).ok_or_else(|| {
        ApiError::wrong_state(
            "nothing was measured yet: the container has not run for long enough, or the node was started again after its end",
            "ask for the status, and try again some seconds after it runs",
        )
    })?;
    let place = context.places.take(caller.key)?;
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], lasting(feed, place, caller)).into_response())
}

#[derive(Deserialize)]
pub(super) struct EventsQuery {
    #[serde(default)]
    follow: bool,
    #[serde(default)]
    from: u64,
}

/// `GET /v1/leases/{lease}/events?from=&follow=`
pub(super) async fn events(
    State(context): State<Arc<Context>>,
    Path(lease): Path<String>,
    query: Result<Query<EventsQuery>, QueryRejection>,
    request: Request,
) -> Result<Response, ApiError> {
    let (lease, caller) = lease_of(&context, &lease, request)?;
    let Query(query) = query.map_err(|e| ApiError::bad_body(e.body_text()))?;
    let feed = context.directory.events(&lease, query.from, query.follow);
    let feed = feed.ok_or_else(|| ApiError::not_known_yet("lease"))?;
    let place = context.places.take(caller.key)?;
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], lasting(feed, place, caller)).into_response())
}
