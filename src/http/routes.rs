//! The route table, with each path's access level, handler, and limits. `router` matches requests to it; the handlers
//! are in `handlers`.

use std::future::Future;
use std::pin::Pin;
use std::time::Instant;

use super::auth::{Admin, LinkToken};
use super::body::BodyLimit;
use super::context::RequestContext;
use super::error::ApiError;
use super::error::ErrorFormat::{self, Anthropic, Gemini, OpenAi};
use super::handlers::{
    accounts, admin, analyses, api_keys, archive, backups, cache, compatible, compatible_models,
    database, documents, embeddings, experiments, gemini, health, history, mcp, meaning_search,
    models, pages, panel_vs_single, patterns, projects, providers, recipes, reruns, search,
    sessions, threads, usage,
};
use super::reply::Reply;
use super::shared::SharedState;
use crate::domain::user::Caller;

/// The future of a handler's response.
pub type HandlerFuture = Pin<Box<dyn Future<Output = Result<Reply, ApiError>> + Send>>;

/// A route's handler, by access level. A handler that needs a caller cannot be registered as open, because the types
/// differ. Only the dispatcher can create a `Caller`, an `Admin`, or a `LinkToken`.
#[derive(Clone, Copy)]
pub enum RouteHandler {
    /// Open to everyone. Runs synchronously, without a body, a rate limit, or a log line.
    Quick(fn(&SharedState, Instant) -> Reply),
    /// Open to everyone.
    Open(fn(RequestContext) -> HandlerFuture),
    /// Open to everyone, but a credential must be valid if there is one. A handler that requires a caller in some cases
    /// validates the body first.
    Maybe(fn(RequestContext, Option<Caller>) -> HandlerFuture),
    /// Requires an authenticated user.
    User(fn(RequestContext, Caller) -> HandlerFuture),
    /// Requires an administrator.
    Admin(fn(RequestContext, Admin) -> HandlerFuture),
    /// Requires a share token in the path.
    Link(fn(RequestContext, LinkToken) -> HandlerFuture),
}

/// The HTTP method of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    /// Returns the method's name in requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
        }
    }
}

/// One row of the route table.
pub struct Route {
    /// The HTTP method. GET routes also serve HEAD.
    pub verb: Verb,
    /// The path: literal segments, `{name}` for one segment, `{name*}` at the end for the rest.
    pub path: &'static str,
    /// The handler, with its access level.
    pub handler: RouteHandler,
    /// The size limit of the body.
    pub limit: BodyLimit,
    /// Whether requests count against the caller's rate limit.
    pub rate_limited: bool,
    /// The format of error responses that this route's clients expect.
    pub error_format: ErrorFormat,
    /// Whether responses have an entity tag.
    pub has_entity_tag: bool,
    /// Whether guests may use the route.
    pub allows_guests: bool,
}

/// The default body limit: 1 MiB.
const JSON: BodyLimit = BodyLimit::Bytes(1 << 20);
/// The body limit of routes that take lists of questions: 8 MiB.
const LARGE: BodyLimit = BodyLimit::Bytes(8 << 20);
/// The body limit of routes that take a few fields: 16 KiB.
const SMALL_BODY: BodyLimit = BodyLimit::Bytes(16 << 10);

const fn route(verb: Verb, path: &'static str, handler: RouteHandler) -> Route {
    Route {
        verb,
        path,
        handler,
        limit: JSON,
        rate_limited: true,
        error_format: ErrorFormat::Quire,
        has_entity_tag: false,
        allows_guests: false,
    }
}

const fn quick(
    verb: Verb,
    path: &'static str,
    handler: fn(&SharedState, Instant) -> Reply,
) -> Route {
    route(verb, path, RouteHandler::Quick(handler)).unlimited()
}
const fn open(
    verb: Verb,
    path: &'static str,
    handler: fn(RequestContext) -> HandlerFuture,
) -> Route {
    route(verb, path, RouteHandler::Open(handler))
}
const fn maybe(
    verb: Verb,
    path: &'static str,
    handler: fn(RequestContext, Option<Caller>) -> HandlerFuture,
) -> Route {
    route(verb, path, RouteHandler::Maybe(handler))
}
const fn user(
    verb: Verb,
    path: &'static str,
    handler: fn(RequestContext, Caller) -> HandlerFuture,
) -> Route {
    route(verb, path, RouteHandler::User(handler))
}
const fn admin(
    verb: Verb,
    path: &'static str,
    handler: fn(RequestContext, Admin) -> HandlerFuture,
) -> Route {
    route(verb, path, RouteHandler::Admin(handler))
}
const fn link(
    verb: Verb,
    path: &'static str,
    handler: fn(RequestContext, LinkToken) -> HandlerFuture,
) -> Route {
    route(verb, path, RouteHandler::Link(handler))
}

impl Route {
    /// Sets the body limit to 16 KiB.
    const fn small(mut self) -> Self {
        self.limit = SMALL_BODY;
        self
    }
    /// Sets the body limit to 8 MiB, for lists of questions.
    const fn large(mut self) -> Self {
        self.limit = LARGE;
        self
    }
    /// Sets the body limit to the configured upload size.
    const fn upload(mut self) -> Self {
        self.limit = BodyLimit::Upload;
        self
    }
    /// Sets the format of error responses.
    const fn errors(mut self, format: ErrorFormat) -> Self {
        self.error_format = format;
        self
    }
    /// Exempts the route from the rate limit.
    const fn unlimited(mut self) -> Self {
        self.rate_limited = false;
        self
    }
    /// Adds entity tags to responses. Meant for content that rarely changes.
    const fn with_entity_tags(mut self) -> Self {
        self.has_entity_tag = true;
        self
    }
    /// Opens the route to guests of the offline demo.
    const fn guests(mut self) -> Self {
        self.allows_guests = true;
        self
    }
    /// Whether responses may contain private data and therefore must not be stored in caches.
    pub fn is_private(&self) -> bool {
        let is_open = matches!(self.handler, RouteHandler::Quick(_) | RouteHandler::Open(_));
        !is_open || self.path == "/metrics" || self.path.starts_with("/api/auth/")
    }
    /// Returns the access level: `open`, `maybe`, `user`, `admin`, or `link`.
    pub const fn access(&self) -> &'static str {
        match self.handler {
            RouteHandler::Quick(_) | RouteHandler::Open(_) => "open",
            RouteHandler::Maybe(_) => "maybe",
            RouteHandler::User(_) => "user",
            RouteHandler::Admin(_) => "admin",
            RouteHandler::Link(_) => "link",
        }
    }
}

/// Adapts a handler that takes only a `RequestContext` to the table's function type.
macro_rules! o {
    ($handler:path) => {
        |cx| Box::pin($handler(cx))
    };
}
/// Adapts a handler that takes a `RequestContext` and a caller, admin, or link token to the table's function type.
macro_rules! h {
    ($handler:path) => {
        |cx, caller| Box::pin($handler(cx, caller))
    };
}

use Verb::{Delete, Get, Patch, Post, Put};

/// All routes. A handler's arguments depend on the access level: `open` handlers take a `RequestContext`; `maybe`,
/// `user`, `admin`, and `link` handlers also take an `Option<Caller>`, a `Caller`, an `Admin`, or a `LinkToken` from
/// `{token}` in the path. `quick` handlers take a `&SharedState` and the time of arrival.
#[rustfmt::skip]
pub static ROUTES: &[Route] = &[
    // Health and operations.
    quick(Get,    "/health",                                 health::show),
    quick(Get,    "/api/health",                             health::show),
    open( Get,    "/api/metrics",                            o!(health::metrics)),
    open( Get,    "/api/internal/resources",                 o!(health::resources)),
    open( Get,    "/api/internal/ticks",                     o!(health::ticks)),
    maybe(Get,    "/metrics",                                h!(health::prometheus)),
    open( Get,    "/api/openapi.json",                       o!(pages::openapi)).with_entity_tags(),

    // Accounts.
    open( Post,   "/api/auth/register",                      o!(accounts::register)).small(),
    open( Post,   "/api/auth/login",                         o!(accounts::login)).small(),
    open( Post,   "/api/auth/guest",                         o!(accounts::guest)).small(),
    open( Post,   "/api/auth/refresh",                       o!(accounts::refresh)).small(),
    open( Post,   "/api/auth/logout",                        o!(accounts::logout)).small(),
    open( Post,   "/api/auth/request-password-reset",        o!(accounts::request_reset)).small(),
    open( Post,   "/api/auth/reset-password-request",        o!(accounts::request_reset)).small(),
    open( Post,   "/api/auth/reset-password",                o!(accounts::reset_password)).small(),
    user( Get,    "/api/users/me",                           h!(accounts::me)).guests(),
    user( Put,    "/api/users/me",                           h!(accounts::update_me)).small(),
    user( Post,   "/api/users/me/change-password",           h!(accounts::change_password)).small(),
    user( Get,    "/api/users/me/api-keys",                  h!(api_keys::list)),
    user( Post,   "/api/users/me/api-keys",                  h!(api_keys::create)).small(),
    user( Delete, "/api/users/me/api-keys/{id}",             h!(api_keys::delete)),
    user( Get,    "/api/users/me/export",                    h!(archive::export)),
    user( Post,   "/api/users/me/import",                    h!(archive::import)).upload(),
    user( Get,    "/api/users/me/sessions",                  h!(sessions::list)),
    user( Delete, "/api/users/me/sessions",                  h!(sessions::end_other_sessions_of_caller)),
    user( Delete, "/api/users/me/sessions/{id}",             h!(sessions::end)),
    user( Put,    "/api/users/me/recipe",                    h!(recipes::set_default)).small(),
    user( Get,    "/api/users/me/providers",                 h!(providers::list_own)),
    user( Post,   "/api/users/me/providers",                 h!(providers::add_own)).small(),
    user( Put,    "/api/users/me/providers/{id}",            h!(providers::update_own)).small(),
    user( Delete, "/api/users/me/providers/{id}",            h!(providers::delete_own)),
    user( Post,   "/api/users/me/providers/{id}/test",       h!(providers::test_own)).small(),

    // Administration.
    admin(Get,    "/api/admin/metrics",                      h!(health::minute_stats)),
    admin(Get,    "/api/admin/database",                     h!(database::show)),
    admin(Get,    "/api/admin/backup",                       h!(backups::download)),
    admin(Post,   "/api/admin/backup",                       h!(backups::make)).small(),
    admin(Get,    "/api/admin/backups",                      h!(backups::list)),
    admin(Get,    "/api/admin/users",                        h!(admin::users)),
    admin(Post,   "/api/admin/users",                        h!(admin::create_user)).small(),
    admin(Put,    "/api/admin/users/{id}",                   h!(admin::update_user)).small(),
    admin(Delete, "/api/admin/users/{id}",                   h!(admin::delete_user)),
    admin(Post,   "/api/admin/users/{id}/reset-link",        h!(admin::reset_link)).small(),
    admin(Get,    "/api/admin/password-resets",              h!(admin::resets)),
    admin(Post,   "/api/admin/invites",                      h!(admin::invite)).small(),
    admin(Get,    "/api/admin/audit",                        h!(admin::audit)),
    admin(Get,    "/api/admin/config",                       h!(admin::config)),
    admin(Get,    "/api/admin/providers",                    h!(providers::list_shared)),
    admin(Post,   "/api/admin/providers",                    h!(providers::add_shared)).small(),
    admin(Put,    "/api/admin/providers/{id}",               h!(providers::update_shared)).small(),
    admin(Delete, "/api/admin/providers/{id}",               h!(providers::delete_shared)),
    admin(Post,   "/api/admin/providers/{id}/test",          h!(providers::test_shared)).small(),
    admin(Get,    "/api/admin/fallbacks",                    h!(providers::fallbacks)),
    admin(Put,    "/api/admin/fallbacks",                    h!(providers::set_fallbacks)).small(),
    admin(Post,   "/api/admin/breakers/reset",               h!(providers::reset)).small(),

    // Cache.
    admin(Get,    "/api/cache/stats",                        h!(cache::stats)),
    admin(Post,   "/api/cache/clear",                        h!(cache::clear)).small(),
    admin(Delete, "/api/cache/{key}",                        h!(cache::delete)),
    user( Delete, "/api/users/me/cache",                     h!(cache::clear_own)),
    user( Get,    "/api/analyses/{id}/cache",                h!(cache::explain)).guests(),

    // Usage and budgets.
    user( Get,    "/api/usage",                              h!(usage::show)).guests(),
    user( Get,    "/api/usage/calls",                        h!(usage::calls)),
    admin(Get,    "/api/admin/users/{id}/budget",            h!(usage::budget_of)),
    admin(Put,    "/api/admin/users/{id}/budget",            h!(usage::set_budget)).small(),
    admin(Delete, "/api/admin/users/{id}/budget",            h!(usage::delete_budget)),

    // Documents.
    user( Post,   "/api/upload-document",                    h!(documents::upload)).upload().guests(),
    user( Get,    "/api/documents",                          h!(documents::list)).guests(),
    user( Get,    "/api/documents/{id}",                     h!(documents::show)).guests(),
    user( Delete, "/api/documents/{id}",                     h!(documents::delete)).guests(),
    user( Get,    "/api/documents/{id}/text",                h!(documents::text)).guests(),
    user( Get,    "/api/documents/{id}/pages/{n}",           h!(documents::page)).guests(),
    user( Post,   "/api/documents/{id}/read",                h!(documents::read_again)).small().guests(),
    user( Get,    "/api/documents/{id}/uses",                h!(documents::uses)).guests(),
    user( Get,    "/api/documents/{id}/search",              h!(search::search_document)).guests(),
    user( Get,    "/api/search",                             h!(search::search_all)).guests(),
    user( Get,    "/api/meaning-search",                     h!(meaning_search::show)),
    user( Put,    "/api/meaning-search",                     h!(meaning_search::choose)).small(),
    user( Get,    "/api/documents/{id}/content",             h!(documents::content)).guests(),
    user( Post,   "/api/create-document-session",            h!(documents::announce)).small(),
    user( Get,    "/api/document-sessions/{id}",             h!(documents::progress)),
    user( Post,   "/api/upload-document-chunk",              h!(documents::put_part)).upload(),
    user( Post,   "/api/finalize-document-upload",           h!(documents::finalize)).small(),

    // Models, patterns, parameters.
    maybe(Get,    "/api/available-models",                   h!(models::available)).with_entity_tags().guests(),
    maybe(Get,    "/api/models",                             h!(models::list)).with_entity_tags().guests(),
    maybe(Get,    "/api/llms",                               h!(models::list)).with_entity_tags().guests(),
    maybe(Get,    "/api/orchestrator/models",                h!(models::list)).with_entity_tags().guests(),
    maybe(Get,    "/api/llm/status",                         h!(models::status)).guests(),
    maybe(Get,    "/api/llm/health-check",                   h!(models::status)).guests(),
    admin(Post,   "/api/llm/health-check",                   h!(models::probe)).small(),
    maybe(Get,    "/api/orchestrator/patterns",              h!(patterns::list_array)).with_entity_tags().guests(),
    maybe(Get,    "/api/patterns",                           h!(patterns::list)).with_entity_tags().guests(),
    maybe(Get,    "/api/analysis-patterns",                  h!(patterns::list)).with_entity_tags().guests(),
    maybe(Get,    "/api/patterns/suggest",                   h!(patterns::suggest)).guests(),
    maybe(Get,    "/api/patterns/{id}",                      h!(patterns::show)).guests(),
    user( Post,   "/api/patterns",                           h!(patterns::add)),
    user( Post,   "/api/patterns/check",                     h!(patterns::check)),
    user( Put,    "/api/patterns/{id}",                      h!(patterns::change)),
    user( Delete, "/api/patterns/{id}",                      h!(patterns::delete)),
    maybe(Get,    "/api/parameters",                         h!(models::parameters)).guests(),

    // Recipes.
    user( Get,    "/api/recipes",                            h!(recipes::list)).guests(),
    user( Post,   "/api/recipes",                            h!(recipes::save)).small(),
    user( Get,    "/api/recipes/{id}",                       h!(recipes::show)),
    user( Put,    "/api/recipes/{id}",                       h!(recipes::change)).small(),
    user( Delete, "/api/recipes/{id}",                       h!(recipes::delete)),
    user( Get,    "/api/recipes/{id}/versions",              h!(recipes::versions)),

    // APIs compatible with OpenAI, Anthropic, and Gemini.
    user( Get,    "/v1/models",                              h!(compatible_models::list)).errors(OpenAi).with_entity_tags(),
    user( Get,    "/v1/models/{name*}",                      h!(compatible_models::show)).errors(OpenAi),
    user( Post,   "/v1/models/{name*}",                      h!(gemini::call_method)).large().errors(Gemini),
    user( Get,    "/v1beta/models",                          h!(gemini::list)).errors(Gemini),
    user( Post,   "/v1beta/models/{name*}",                  h!(gemini::call_method)).large().errors(Gemini),
    user( Post,   "/v1/chat/completions",                    h!(compatible::chat)).large().errors(OpenAi),
    user( Post,   "/v1/completions",                         h!(compatible::complete)).large().errors(OpenAi),
    user( Post,   "/v1/responses",                           h!(compatible::responses)).large().errors(OpenAi),
    user( Post,   "/v1/embeddings",                          h!(embeddings::create)).large().errors(OpenAi),
    user( Post,   "/v1/messages",                            h!(compatible::messages)).large().errors(Anthropic),
    user( Post,   "/v1/messages/count_tokens",               h!(compatible::count_tokens)).large().errors(Anthropic),
    user( Post,   "/mcp",                                    h!(mcp::handle)).large(),

    // Experiments.
    user( Get,    "/api/experiments",                        h!(experiments::list)),
    user( Post,   "/api/experiments",                        h!(experiments::start)).large(),
    user( Post,   "/api/experiments/estimate",               h!(experiments::estimate)).large(),
    user( Post,   "/api/experiments/cases",                  h!(experiments::read_cases)).large(),
    user( Get,    "/api/experiments/{id}",                   h!(experiments::show)),
    user( Delete, "/api/experiments/{id}",                   h!(experiments::delete)),
    user( Get,    "/api/experiments/{id}/cases",             h!(experiments::cases)),
    user( Get,    "/api/experiments/{id}/cases/{n}",         h!(experiments::case)),
    user( Get,    "/api/experiments/{id}/events",            h!(experiments::events)),
    user( Get,    "/api/experiments/{id}/export",            h!(experiments::export)),
    user( Post,   "/api/experiments/{id}/cancel",            h!(experiments::cancel)).small(),
    user( Post,   "/api/experiments/{id}/apply",             h!(experiments::apply)).small(),
    user( Post,   "/api/experiments/{id}/revert",            h!(experiments::revert)).small(),
    user( Get,    "/api/experiments/{id}/duel",              h!(experiments::next_comparison)),
    user( Post,   "/api/experiments/{id}/duel",              h!(experiments::record_judgment)).small(),
    user( Post,   "/api/experiments/{id}/resume",            h!(experiments::resume)).small(),

    // Analyses.
    maybe(Post,   "/analyze",                                h!(analyses::start)).guests(),
    maybe(Post,   "/api/analyze",                            h!(analyses::start)).guests(),
    maybe(Post,   "/api/orchestrator/analyze",               h!(analyses::orchestrate)).guests(),
    maybe(Post,   "/api/estimate",                           h!(analyses::forecast)).guests(),
    maybe(Post,   "/api/estimate-tokens",                    h!(analyses::forecast)).guests(),
    user( Get,    "/api/analyze",                            h!(history::list)).guests(),
    user( Get,    "/api/analyses",                           h!(history::list)).guests(),
    user( Get,    "/api/analyses/{id}",                      h!(analyses::show)).guests(),
    user( Get,    "/analyze/results/{id}",                   h!(analyses::show)).guests(),
    user( Get,    "/api/analyze/{id}/results",               h!(analyses::show)).guests(),
    user( Delete, "/api/analyses/{id}",                      h!(analyses::delete)).guests(),
    user( Get,    "/api/analyses/{id}/events",               h!(analyses::events)).guests(),
    user( Get,    "/analyze/stream/{id}",                    h!(analyses::events)).guests(),
    user( Get,    "/api/analyses/{id}/progress",             h!(analyses::progress)).guests(),
    user( Get,    "/api/analyses/{id}/export",               h!(analyses::export)).guests(),
    user( Post,   "/api/analyses/{id}/cancel",               h!(analyses::cancel)).small().guests(),
    user( Post,   "/api/analyses/{id}/retry",                h!(reruns::retry)).small().guests(),
    user( Post,   "/api/analyses/{id}/rerun",                h!(reruns::rerun)).guests(),
    user( Post,   "/api/analyses/{id}/synthesize",           h!(analyses::synthesize)).small().guests(),
    user( Post,   "/api/analyses/{id}/leave-out",            h!(analyses::skip_model)).small().guests(),
    user( Post,   "/api/analyses/{id}/share",                h!(analyses::share)).small(),
    user( Delete, "/api/analyses/{id}/share",                h!(analyses::unshare)),
    user( Post,   "/api/analyses/{id}/vote",                 h!(analyses::vote)).small().guests(),
    user( Post,   "/api/analyses/{id}/comparison",           h!(panel_vs_single::compare)).small().guests(),
    user( Get,    "/api/analyses/{id}/comparison",           h!(panel_vs_single::comparison)).guests(),
    user( Post,   "/api/analyses/{id}/comparison/vote",      h!(panel_vs_single::vote)).small().guests(),
    user( Get,    "/api/worth",                              h!(panel_vs_single::report)),
    user( Put,    "/api/worth",                              h!(panel_vs_single::set_compare_interval)).small(),
    link( Get,    "/api/shared/{token}",                     h!(analyses::shared)),

    // Threads and projects.
    user( Get,    "/api/threads",                            h!(threads::list)).guests(),
    user( Get,    "/api/threads/{id}",                       h!(threads::show)).guests(),
    user( Patch,  "/api/threads/{id}",                       h!(threads::change)).small().guests(),
    user( Delete, "/api/threads/{id}",                       h!(threads::delete)).guests(),
    user( Post,   "/api/threads/{id}/share",                 h!(threads::share)).small(),
    user( Delete, "/api/threads/{id}/share",                 h!(threads::unshare)),
    user( Get,    "/api/threads/{id}/export",                h!(threads::export)).guests(),
    user( Get,    "/api/projects",                           h!(projects::list)).guests(),
    user( Post,   "/api/projects",                           h!(projects::create)),
    user( Get,    "/api/projects/{id}",                      h!(projects::show)),
    user( Patch,  "/api/projects/{id}",                      h!(projects::change)),
    user( Delete, "/api/projects/{id}",                      h!(projects::delete)),

    // Pages and their files.
    open( Get,    "/",                                       o!(pages::start_page)).unlimited(),
    open( Get,    "/analyze",                                o!(pages::page)).unlimited(),
    open( Get,    "/t/{id}",                                 o!(pages::page)).unlimited(),
    open( Get,    "/projects/{id}",                          o!(pages::page)).unlimited(),
    open( Get,    "/documents",                              o!(pages::page)).unlimited(),
    open( Get,    "/orchestrator",                           o!(pages::page)).unlimited(),
    open( Get,    "/modelrunner",                            o!(pages::page)).unlimited(),
    open( Get,    "/history",                                o!(pages::page)).unlimited(),
    open( Get,    "/history/{id}",                           o!(pages::page)).unlimited(),
    open( Get,    "/experiments",                            o!(pages::page)).unlimited(),
    open( Get,    "/welcome",                                o!(pages::page)).unlimited(),
    open( Get,    "/manual",                                 o!(pages::page)).unlimited(),
    open( Get,    "/manual/{topic}",                         o!(pages::page)).unlimited(),
    open( Get,    "/usage",                                  o!(pages::page)).unlimited(),
    open( Get,    "/settings",                               o!(pages::page)).unlimited(),
    open( Get,    "/admin",                                  o!(pages::page)).unlimited(),
    open( Get,    "/login",                                  o!(pages::page)).unlimited(),
    link( Get,    "/share/{token}",                          h!(pages::shared)).unlimited(),
    open( Get,    "/sw.js",                                  o!(pages::service_worker)).unlimited(),
    open( Get,    "/manifest.webmanifest",                   o!(pages::manifest)).unlimited(),
    open( Get,    "/assets/index.js",                        o!(pages::entry_script)).unlimited(),
    open( Get,    "/assets/{tree}/{path*}",                  o!(pages::asset)).unlimited(),
];
