//! Routes that remember what they serve: axum's router tells nobody its paths, and the OpenAPI document is held to them.
//!
//! The names are axum's own, so that a list of routes reads as it would there. The pages, which no program calls, stay
//! outside.

use std::convert::Infallible;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, Route};
use tower::{Layer, Service};

use crate::Server;

/// One call that is served: `("POST", "/api/v1/models/{name}:submit")`.
pub(crate) type Call = (&'static str, String);

/// A router and the calls that it answers.
pub(crate) struct Routes<S = Server> {
    router: Router<S>,
    calls: Vec<Call>,
}

/// What answers at one path, by method.
pub(crate) struct Methods<S> {
    router: MethodRouter<S>,
    /// Each method, with what follows the path: `":submit"`, or nothing.
    calls: Vec<(&'static str, String)>,
}

macro_rules! methods {
    ($($name:ident $method:literal),*) => {
        $(
            /// A path that answers this method.
            pub(crate) fn $name<H, T, S>(handler: H) -> Methods<S>
            where
                H: Handler<T, S>,
                T: 'static,
                S: Clone + Send + Sync + 'static,
            {
                Methods {
                    router: axum::routing::$name(handler),
                    calls: vec![($method, String::new())],
                }
            }
        )*

        impl<S: Clone + Send + Sync + 'static> Methods<S> {
            $(
                /// Answers this method, too.
                pub(crate) fn $name<H: Handler<T, S>, T: 'static>(mut self, handler: H) -> Self {
                    self.router = self.router.$name(handler);
                    self.calls.push(($method, String::new()));
                    self
                }
            )*
        }
    };
}

methods!(get "GET", post "POST", put "PUT", patch "PATCH", delete "DELETE");

/// A path that takes acts: `POST PATH:ACT` for each of `names`.
pub(crate) fn acts<H, T, S>(names: &[&str], handler: H) -> Methods<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    let calls = names.iter().map(|name| ("POST", format!(":{name}"))).collect();
    Methods { router: axum::routing::post(handler), calls }
}

impl<S: Clone + Send + Sync + 'static> Methods<S> {
    /// Takes acts, too.
    pub(crate) fn acts<H: Handler<T, S>, T: 'static>(mut self, names: &[&str], handler: H) -> Self {
        let acts = acts(names, handler);
        self.router = self.router.merge(acts.router);
        self.calls.extend(acts.calls);
        self
    }

    /// What answers other methods.
    pub(crate) fn fallback<H: Handler<T, S>, T: 'static>(mut self, handler: H) -> Self {
        self.router = self.router.fallback(handler);
        self
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    pub(crate) fn new() -> Self {
        Self { router: Router::new(), calls: Vec::new() }
    }

    pub(crate) fn route(mut self, path: &str, methods: Methods<S>) -> Self {
        self.router = self.router.route(path, methods.router);
        self.calls.extend(methods.calls.into_iter().map(|(method, act)| (method, format!("{path}{act}"))));
        self
    }

    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.calls.extend(other.calls);
        self
    }

    pub(crate) fn nest(mut self, prefix: &str, inner: Self) -> Self {
        self.router = self.router.nest(prefix, inner.router);
        let below = inner.calls.into_iter().map(|(method, path)| (method, format!("{prefix}{path}")));
        self.calls.extend(below);
        self
    }

    pub(crate) fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.router = self.router.layer(layer);
        self
    }

    pub(crate) fn fallback<H: Handler<T, S>, T: 'static>(mut self, handler: H) -> Self {
        self.router = self.router.fallback(handler);
        self
    }

    pub(crate) fn method_not_allowed_fallback<H: Handler<T, S>, T: 'static>(mut self, handler: H) -> Self {
        self.router = self.router.method_not_allowed_fallback(handler);
        self
    }

    /// What is served, in the order of its declaration.
    #[cfg(test)]
    pub(crate) fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// axum's router.
    pub(crate) fn into_router(self) -> Router<S> {
        self.router
    }
}
