//! The HTTP server: a thread of its own, a bounded number of connections, and bounds to each.

use super::instruments::Instruments;
use super::publish::Published;
use super::routes::Routes;
use anyhow::{Context as _, Result};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};

/// Connections at a time; more are closed at once.
const MAX_CONNECTIONS: usize = 64;
/// A request's head has to be there by then.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// Bytes that a request's head may have.
const MAX_HEAD: usize = 16 << 10;
/// Headers that a request may have.
const MAX_HEADERS: usize = 64;
/// A connection is over by then, however slowly its client reads.
const OVER_WITHIN: Duration = Duration::from_secs(15);
/// Without a free descriptor accepting fails until one is closed.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// A server that answers until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens at an address (port 0 = any that is free), without answering yet.
    pub fn listen(listen: SocketAddr) -> Result<TcpListener> {
        let what = || format!("cannot serve metrics at {listen}: choose another address with --listen");
        let listener = TcpListener::bind(listen).with_context(what)?;
        listener.set_nonblocking(true).with_context(what)?;
        Ok(listener)
    }

    /// Answers at a listener of [`Server::listen`] with what is published.
    pub fn start(listener: TcpListener, published: Arc<Published>, instruments: Instruments) -> Result<Self> {
        let address = listener.local_addr().context("cannot serve metrics")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot set up waiting for scrapers")?;
        let (stop, stopped) = oneshot::channel();
        let routes = Arc::new(Routes::new(published, instruments));
        let serve = move || runtime.block_on(serve(listener, routes, stopped));
        let thread = std::thread::Builder::new().name("metrics".to_owned()).spawn(serve);
        let thread = thread.context("cannot start the thread that serves metrics")?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A thread that has ended needs no telling, and said why when it did.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn serve(listener: TcpListener, routes: Arc<Routes>, stopped: oneshot::Receiver<()>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return log::warn!("no metrics are served: cannot wait for scrapers: {error}"),
    };
    tokio::select! {
        _ = stopped => {}
        () = accept(&listener, routes) => {}
    }
}

async fn accept(listener: &tokio::net::TcpListener, routes: Arc<Routes>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            routes.turned_away();
            continue;
        };
        let routes = routes.clone();
        tokio::spawn(async move {
            converse(stream, routes).await;
            drop(place);
        });
    }
}

/// One request, one response. What goes wrong with it is its client's affair.
async fn converse(stream: TcpStream, routes: Arc<Routes>) {
    let answer = service_fn(move |request| {
        let routes = routes.clone();
        async move { Ok::<_, Infallible>(routes.respond(&request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    let _ = timeout(OVER_WITHIN, connection).await;
}
