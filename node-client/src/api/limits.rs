//! How much is done at the same time.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{ApiError, Context};

/// Lets a request in if there is room until its answer begins; what streams on holds a permit of its own.
pub(super) async fn admit(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    match permit(&context.requests) {
        Ok(_held) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// A place among the streams, to be kept as long as the stream lasts.
pub(super) fn permit(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, ApiError> {
    Arc::clone(places).try_acquire_owned().map_err(|_| ApiError::busy("the node answers as many requests as it can"))
}
