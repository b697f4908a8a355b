//! What the server answers.

use super::encode::{Format, encode};
use super::family::{Family, FamilyKind};
use super::instruments::Instruments;
use super::metrics::Readiness;
use super::negotiate;
use super::publish::{Page, Published};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, VARY,
};
use hyper::{Method, Request, Response, StatusCode};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const TEXT: &str = "text/plain; charset=utf-8";
const HOME: &str = "drain-observer: which client connections restarts lose, and why\n\n\
    /metrics  Prometheus text or OpenMetrics, as the Accept header asks\n\
    /healthz  whether the event loop turns\n\
    /readyz   whether the probes are attached and keep up\n";

/// Answers requests.
pub(super) struct Routes {
    published: Arc<Published>,
    state: Mutex<State>,
}

struct State {
    instruments: Instruments,
    /// A page as it was written: hundreds of scrapers cost no more than one.
    page: Arc<Page>,
    written: BTreeMap<(Format, bool), Bytes>,
    responses: BTreeMap<u16, u64>,
    turned_away: u64,
}

impl Routes {
    pub(super) fn new(published: Arc<Published>, instruments: Instruments) -> Self {
        let state = State {
            instruments,
            page: Arc::default(),
            written: BTreeMap::new(),
            responses: BTreeMap::new(),
            turned_away: 0,
        };
        Self { published, state: Mutex::new(state) }
    }

    /// A connection was closed because there were too many.
    pub(super) fn turned_away(&self) {
        self.state().turned_away += 1;
    }

    /// Answers a request, whose body, if it has one, is nobody's business.
    pub(super) async fn respond<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let response = self.answer(request).await;
        *self.state().responses.entry(response.status().as_u16()).or_default() += 1;
        response
    }

    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/metrics" => self.metrics(request.headers()).await,
            "/healthz" => match self.published.health() {
                Ok(()) => text(StatusCode::OK, "ok\n"),
                Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
            },
            "/readyz" => match self.published.readiness() {
                Readiness::Ready => text(StatusCode::OK, "ready\n"),
                Readiness::NotReady(why) => text(StatusCode::SERVICE_UNAVAILABLE, why.join("\n") + "\n"),
            },
            "/" => text(StatusCode::OK, HOME),
            _ => text(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz\n"),
        }
    }

    async fn metrics(&self, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let format = negotiate::format(header(headers, ACCEPT).as_deref());
        let gzip = negotiate::gzip(header(headers, ACCEPT_ENCODING).as_deref());
        let page = self.published.page().await;
        let body = self.state().write(&page, format, gzip);
        let mut response = Response::new(Full::new(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
        headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
        if gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, page: &Arc<Page>, format: Format, gzip: bool) -> Bytes {
        if !Arc::ptr_eq(&self.page, page) {
            self.page = page.clone();
            self.written.clear();
        }
        if let Some(written) = self.written.get(&(format, gzip)) {
            return written.clone();
        }
        let mut own = self.instruments.families();
        own.extend(self.own());
        let plain = encode(page.families.iter().chain(&own), format);
        let written = if gzip { compress(&plain) } else { plain.into() };
        self.written.insert((format, gzip), written.clone());
        written
    }

    fn own(&self) -> [Family; 2] {
        let mut responses =
            Family::new("drain_observer_http_responses", FamilyKind::Counter, "Responses, by status code.");
        for (code, count) in &self.responses {
            responses.add([("code", code.to_string().into())], *count as f64);
        }
        let turned_away = Family::new(
            "drain_observer_http_connections_turned_away",
            FamilyKind::Counter,
            "Connections that were closed at once because there were too many.",
        );
        [responses, turned_away.of(self.turned_away as f64)]
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    response
}

/// A header that may have been sent in several parts.
fn header(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let parts: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!parts.is_empty()).then(|| parts.join(","))
}

fn compress(text: &str) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
    // Writing to memory does not fail.
    let _ = encoder.write_all(text.as_bytes());
    encoder.finish().unwrap_or_default().into()
}
