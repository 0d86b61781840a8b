//! What every request passes: names, origins, the token, the count of its client; and what every answer has.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State as FromState};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::digest::hexadecimal;
use crate::problem::{Problem, ProblemKind};
use crate::state::State;

/// The name of the cookie that holds what is made of the token.
const COOKIE: &str = "rscir_token";

/// The address of the other end of a connection, as an extension of its requests. [`Server`](crate::Server) sets it; who serves the
/// router otherwise can do so, too, for the limit of requests of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client(pub IpAddr);

/// What is made of a token: what is compared, and what a cookie holds.
pub(crate) struct Secret {
    token: [u8; 32],
    cookie: String,
}

impl Secret {
    pub(crate) fn new(token: &str) -> Self {
        let cookie = Sha256::new().chain_update("rscir cookie ").chain_update(token).finalize();
        Self { token: Sha256::digest(token.as_bytes()).into(), cookie: hexadecimal(&cookie) }
    }

    /// Compares in a time that depends on neither.
    fn is(&self, token: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        given.ct_eq(&self.token).into()
    }

    fn is_cookie(&self, value: &str) -> bool {
        value.as_bytes().ct_eq(self.cookie.as_bytes()).into()
    }
}

/// Lets a request through, or answers it.
pub(crate) async fn guard(FromState(state): FromState<Arc<State>>, request: Request, next: Next) -> Response {
    let origin = allowed_origin(&state, request.headers());
    let mut response = match check(&state, &request, origin.is_some()) {
        Err(problem) => problem.into_response(),
        Ok(Some(answer)) => answer,
        Ok(None) => {
            let client =
                request.extensions().get::<Client>().map(|client| state.gate.client(client.0)).transpose();
            match client {
                Err(problem) => problem.into_response(),
                Ok(_turn) => next.run(request).await,
            }
        }
    };
    dress(&state, response.headers_mut(), origin);
    response
}

/// Refuses a request, gives the answer that comes before all others, such as a redirect, or lets it pass.
fn check(state: &State, request: &Request, is_allowed_origin: bool) -> Result<Option<Response>, Problem> {
    let headers = request.headers();
    check_host(state, request.uri(), headers)?;
    if !is_allowed_origin {
        check_origin(headers)?;
    }
    if is_allowed_origin && request.method() == Method::OPTIONS {
        return Ok(Some(StatusCode::NO_CONTENT.into_response()));
    }
    let Some(secret) = &state.secret else { return Ok(None) };
    if request.uri().path() == "/" && request.method() == Method::GET {
        let given = request.uri().query().unwrap_or_default();
        let token = given.split('&').find_map(|pair| pair.strip_prefix("token="));
        if token.is_some_and(|token| secret.is(token)) {
            return Ok(Some(redirect(secret, given)));
        }
    }
    let bearer =
        headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let is_known = bearer.is_some_and(|token| secret.is(token.trim()))
        || cookies(headers).any(|(name, value)| name == COOKIE && secret.is_cookie(value));
    if is_known {
        return Ok(None);
    }
    let message =
        "this server needs its token: open the address that it printed, or send it as Authorization: Bearer";
    Err(Problem::new(ProblemKind::NoToken, message))
}

/// Puts the token into a cookie, and the address without it into the browser.
fn redirect(secret: &Secret, query: &str) -> Response {
    let rest: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("token=")).collect();
    let to = if rest.is_empty() { "/".into() } else { format!("/?{}", rest.join("&")) };
    let cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", secret.cookie);
    let mut response = StatusCode::SEE_OTHER.into_response();
    for (name, value) in [(header::LOCATION, to), (header::SET_COOKIE, cookie)] {
        // The query is of an address, and so is what is left of it.
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

/// Refuses a request for a server of another name: a page elsewhere whose name was made to stand for this machine.
fn check_host(state: &State, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let named = uri.authority().map(|authority| authority.as_str());
    let mut hosts = headers.get_all(header::HOST).iter();
    let header = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    };
    let Some(host) = named.or(header) else {
        return Err(Problem::new(ProblemKind::BadHost, "the request has no header Host, or several"));
    };
    let name = without_port(host);
    let is_number = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    let is_named = name.eq_ignore_ascii_case("localhost")
        || state.options.hosts.iter().any(|host| host.eq_ignore_ascii_case(name));
    if is_number || is_named {
        return Ok(());
    }
    let message =
        "this server is asked as localhost, by its address in numbers, or by a name that it was told";
    Err(Problem::new(ProblemKind::BadHost, message))
}

/// Takes the port off a host.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

/// Returns the origin of a page that may ask, although it is another site's.
fn allowed_origin(state: &State, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    state
        .options
        .origins
        .iter()
        .any(|allowed| allowed.as_bytes() == origin.as_bytes())
        .then(|| origin.clone())
}

/// Refuses what a page of another site sends: a form needs no leave of ours to be sent, and would keep the server busy.
fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let is_foreign = match text(header::ORIGIN) {
        Some(origin) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_none() || host != text(header::HOST)
        }
        None => {
            let site = text(HeaderName::from_static("sec-fetch-site"));
            // A link to the page is followed; the page asks the rest itself.
            let is_link = text(HeaderName::from_static("sec-fetch-mode")) == Some("navigate");
            site.is_some_and(|site| !matches!(site, "same-origin" | "none")) && !is_link
        }
    };
    if is_foreign {
        let message = "pages of other sites may not ask this server";
        return Err(Problem::new(ProblemKind::BadOrigin, message));
    }
    Ok(())
}

/// Gives an answer what keeps browsers from doing more with it than they should.
fn dress(state: &State, headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    headers.insert(header::CONTENT_SECURITY_POLICY, state.policy.clone());
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let (resource, allows) = match origin {
        Some(origin) => ("cross-origin", Some(origin)),
        None => ("same-origin", None),
    };
    headers
        .insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static(resource));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if !state.options.origins.is_empty() {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
    if let Some(origin) = allows {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("authorization, content-type, if-none-match"),
        );
    }
}

/// Writes the policy of the page, with the origin of a base map.
pub(crate) fn policy(basemap: Option<&str>) -> HeaderValue {
    let map = basemap.map_or(String::new(), |origin| format!(" {origin}"));
    let text = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:{map}; connect-src 'self'; \
         manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    // An origin has letters, digits and a few signs.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}
