//! What reaches into a lease's container: connections to its ports, and programs that are run in it.
//!
//! Both are for the buyer and its spender alone: a guardian watches, and a port can be as much as a shell.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use gridlease_sdk::node_api::codes;
use gridlease_sdk::node_api::pump::pump;
use gridlease_sdk::node_api::reach::Closing;
use solana_pubkey::Pubkey;

use super::access::{Caller, address, authorise};
use super::sessions::{Kind, Session};
use super::socket::{Handshake, handshake};
use super::{ApiError, Context, ReachAccess, Reachable, exec};
use crate::driver::DriverError;
use crate::for_buyer::ForBuyer as _;

/// How long nothing may be heard of a client. Long, because one whose user reads slowly answers no ping.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);

/// A request that may reach into a container that runs.
struct Asked {
    lease: Pubkey,
    caller: Caller,
    access: ReachAccess,
    handshake: Handshake,
}

async fn asked(context: &Context, lease: &str, request: Request) -> Result<Asked, ApiError> {
    let lease = address(lease)?;
    let (parts, _): (Parts, _) = request.into_parts();
    let owners = context.directory.lease(&lease);
    let caller = authorise(context, &parts, owners, "lease")?;
    if !owners.is_some_and(|owners| owners.may_reach_in(&caller.key)) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            codes::NOT_YOURS_TO_REACH,
            format!("{} may watch this lease, but not reach into its container", caller.key),
            "sign with the key that owns the purse, or with its spender",
        ));
    }
    let access = match context.directory.reach(&lease) {
        Reachable::Now(access) => access,
        Reachable::NotYet => {
            return Err(ApiError::wrong_state(
                "the lease's container cannot be reached yet: its start is not reported, or it is being started again",
                "try again once the job runs",
            ));
        }
        Reachable::Ended => return Err(ApiError::container_ended()),
    };
    let handshake = handshake(parts).await?;
    Ok(Asked { lease, caller, access, handshake })
}

/// `GET /v1/leases/{lease}/ports/{port}`
pub(super) async fn port(
    State(context): State<Arc<Context>>,
    Path((lease, port)): Path<(String, String)>,
    request: Request,
) -> Result<Response, ApiError> {
    let Asked { lease, caller, access, handshake } = asked(&context, &lease, request).await?;
    let named = port.parse::<u16>().ok().filter(|number| access.ports.contains(number) && number.to_string() == port);
    let Some(port) = named else {
        return Err(ApiError::not_found(
            "the manifest names no such port",
            "name it under ports and post the job anew",
        ));
    };
    let session = context.sessions.open(lease, Kind::Port, &access)?;
    let connection = access.driver.connect(&access.container, port).await.map_err(|error| refused(&lease, &error))?;
    Ok(handshake.answer(move |socket| async move {
        caller.be_patient();
        let Session { ended, .. } = &session;
        let over = async {
            ended.cancelled().await;
            Closing::container_ended()
        };
        pump(socket, connection, PATIENCE, over).await;
        // Held to here.
        drop((session, caller));
    }))
}

/// `GET /v1/leases/{lease}/exec`
pub(super) async fn run(
    State(context): State<Arc<Context>>,
    Path(lease): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    program(&context, &lease, request, exec::What::Exec).await
}

/// `GET /v1/leases/{lease}/attach`
pub(super) async fn attach(
    State(context): State<Arc<Context>>,
    Path(lease): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    program(&context, &lease, request, exec::What::Own).await
}

/// A program in the container, over a websocket. The job's own counts among the lease's: each holds a connection to the engine.
async fn program(
    context: &Arc<Context>,
    lease: &str,
    request: Request,
    what: exec::What,
) -> Result<Response, ApiError> {
    let Asked { lease, caller, access, handshake } = asked(context, lease, request).await?;
    let session = context.sessions.open(lease, Kind::Exec, &access)?;
    Ok(handshake.answer(move |socket| async move {
        caller.be_patient();
        exec::serve(socket, what, &access, &lease, &session).await;
        drop((session, caller));
    }))
}

/// What a client is told where the container cannot be reached.
fn refused(lease: &Pubkey, error: &DriverError) -> ApiError {
    match error {
        DriverError::NotListening { .. } => ApiError::new(
            StatusCode::BAD_GATEWAY,
            codes::NOT_LISTENING,
            error.for_buyer(),
            "look at the job's log; the server has to listen on that port, on localhost at least",
        ),
        DriverError::NotRunningContainer { .. } | DriverError::NoSuchContainer { .. } => ApiError::container_ended(),
        other => {
            tracing::warn!(%lease, error = %other, "the container cannot be reached");
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, codes::INTERNAL, other.for_buyer(), "try again later")
        }
    }
}
