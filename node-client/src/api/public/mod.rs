//! Visitors of ports that are open to the public, and the node as the server before them.
//!
//! | module | purpose |
//! |---|---|
//! | [`place`], [`names`] | which port a request is for |
//! | [`entry`] | whether its visitor may come in |
//! | [`visits`] | how many there are, and who gives way |
//! | [`request`], [`response`] | what is handed on of a request and of an answer |
//! | [`upstream`], [`lane`] | the connections into containers |
//! | [`body`], [`websocket`] | what flows |
//! | [`answers`] | what a visitor is told where no container answers |
//! | [`set`] | the buyer's switch |

mod answers;
mod body;
mod entry;
mod lane;
mod names;
mod patient;
mod place;
mod request;
mod response;
pub(super) mod set;
mod upstream;
mod visits;
mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use gridlease_sdk::node_api::public::Public;
use hyper::body::Body as _;
use hyper::upgrade::OnUpgrade;

use super::Context;
use super::connections::{Connection, address};
use answers::{Refusal, wants_page};
use body::{FromVisitor, ToVisitor};
pub use names::{Names, NamesError};
use place::{Place, Sought};
pub(super) use upstream::Upstreams;
pub(super) use visits::Visits;

/// How long nothing may be heard until a container's answer begins: a language model thinks, and an upload may be long.
const ANSWER: Duration = Duration::from_secs(600);

/// Stands before the node's own interface: what is for a port never comes to a route of it.
pub(super) async fn gate(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    let labelled = |label: &str| context.directory.labelled(label);
    let place = match place::find(context.names.as_deref(), request.uri(), request.headers(), labelled) {
        Sought::Api => return next.run(request).await,
        Sought::Port(place) => place,
        Sought::Slash(place) => return with_slash(&place, &request),
        Sought::Nothing => return Refusal::Nothing.answer(wants_page(request.headers())),
        Sought::Unclear(reason) => return Refusal::Unclear(reason).answer(wants_page(request.headers())),
    };
    let page = wants_page(request.headers());
    visit(&context, &place, request).await.unwrap_or_else(|refusal| refusal.answer(page))
}

/// A page's own links are right only behind a slash.
fn with_slash(place: &Place, request: &Request) -> Response {
    let query = request.uri().query().map_or(String::new(), |query| format!("?{query}"));
    let headers = [
        (header::LOCATION, format!("{}/{query}", place.prefix)),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        // A token may stand in it.
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (StatusCode::PERMANENT_REDIRECT, headers).into_response()
}

async fn visit(context: &Context, place: &Place, request: Request) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        return Err(Refusal::Method);
    }
    let doors = context.directory.doors(&place.lease).ok_or(Refusal::Nothing)?;
    let door = doors.iter().find(|door| door.name == place.name && !door.public.is_off()).ok_or(Refusal::Nothing)?;
    let websocket = request::is_websocket(&parts);
    let preflight = entry::is_preflight(&parts);
    if let Some(answer) = entry::enter(door, place, &mut parts, websocket)? {
        return Ok(answer);
    }
    let access = upstream::reachable(context.directory.reach(&place.lease))?;
    let peer = peer(&parts);
    let visit = context.visits.begin(place.lease, address(peer), &door.changed)?;
    // As long as it lasts the connection does not give way to strangers; there are fewer visits than connections.
    let busy = context.connections.of(peer).map(Connection::busy);
    let visitor = parts.extensions.remove::<OnUpgrade>().filter(|_| websocket);
    let mut outgoing =
        request::outgoing(&parts, place, peer.ip(), websocket).ok_or(Refusal::Unclear("the path is none"))?;
    let body = if websocket || preflight { FromVisitor::empty() } else { FromVisitor::new(body, visit.pulse()) };
    if !body.is_empty() && body.size_hint().exact().is_none() {
        // Without, one of a method that has none as a rule would be lost.
        outgoing.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    let sending = context.upstreams.send((place.lease, door.port), &access, outgoing.map(|()| body));
    let pulse = visit.pulse();
    let answered = tokio::select! {
        answered = sending => answered,
        () = pulse.silence(ANSWER) => return Err(Refusal::Late),
        () = visit.ended().cancelled() => return Err(now(context, place)),
    };
    let (used, mut answer) = answered.map_err(|refusal| match refusal {
        // Whether it is over or runs again soon the engine does not know.
        Refusal::NotYet => upstream::reachable(context.directory.reach(&place.lease)).err().unwrap_or(refusal),
        other => other,
    })?;
    let container = hyper::upgrade::on(&mut answer);
    let (mut head, incoming) = answer.into_parts();
    if place.shares_origin() && response::is_replacing(&head.headers) {
        return Err(Refusal::Replacing);
    }
    let turns = head.status == StatusCode::SWITCHING_PROTOCOLS;
    let agreed = turns && request::says_websocket(&head.headers);
    response::incoming(&mut head, place, place.inner(parts.uri.path()));
    if !turns {
        let told =
            parts.method != Method::HEAD && !matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        return Ok(Response::from_parts(head, Body::new(ToVisitor::new(incoming, visit, busy, used, told))));
    }
    let visitor = visitor.filter(|_| agreed).ok_or(Refusal::Garbled)?;
    head.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    head.headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    tokio::spawn(websocket::carry(visitor, container, visit, busy, used));
    Ok(Response::from_parts(head, Body::empty()))
}

/// What one hears whose visit was ended before there was an answer: what anybody would who comes now.
fn now(context: &Context, place: &Place) -> Refusal {
    let doors = context.directory.doors(&place.lease);
    let door = doors.iter().flat_map(|doors| doors.iter()).find(|door| door.name == place.name);
    match door.map_or(Public::Off, |door| door.public) {
        Public::Off => Refusal::Nothing,
        // Of another token it is not known whether this visitor has it.
        Public::Token | Public::Open => Refusal::Busy,
    }
}

/// The visitor's address. A connection always has one.
fn peer(parts: &Parts) -> SocketAddr {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)), |ConnectInfo(peer)| *peer)
}
