//! Every way into the program, on one page. A row says who may come in, how, and within which limits.
//! Matching is in `router`; what happens behind a row is in `handlers`.

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
    documents, embeddings, experiments, gemini, health, history, mcp, models, pages, patterns,
    providers, recipes, search, sessions, usage, worth,
};
use super::reply::Reply;
use super::shared::SharedState;
use crate::domain::user::Caller;

/// What a handler returns.
pub type Answer = Pin<Box<dyn Future<Output = Result<Reply, ApiError>> + Send>>;

/// The handler of a row. A handler that needs a caller cannot be registered as open: the types differ,
/// and only the router can make a `Caller`, an `Admin` or a `LinkToken`.
#[derive(Clone, Copy)]
pub enum RouteHandler {
    /// Anyone, at once: no body, no waiting, no rate limit, no log line.
    Quick(fn(&SharedState, Instant) -> Reply),
    /// Anyone.
    Open(fn(RequestContext) -> Answer),
    /// Anyone; a credential that is presented must hold. The handler checks the body before it misses one.
    Maybe(fn(RequestContext, Option<Caller>) -> Answer),
    /// Whoever is signed in.
    User(fn(RequestContext, Caller) -> Answer),
    /// Administrators.
    Admin(fn(RequestContext, Admin) -> Answer),
    /// Whoever holds the share token in the path.
    Link(fn(RequestContext, LinkToken) -> Answer),
}

/// A verb of HTTP that a row can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

impl Verb {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Delete => "DELETE",
        }
    }
}

/// A row of the table.
pub struct Route {
    /// The verb. A GET row also answers HEAD.
    pub verb: Verb,
    /// Literal segments, `{name}` for one segment, `{name*}` at the end for all that is left.
    pub path: &'static str,
    /// Who may come in, and what happens then.
    pub how: RouteHandler,
    /// Bound of the body.
    pub limit: BodyLimit,
    /// Whether requests count against the caller's rate.
    pub counted: bool,
    /// How it refuses.
    pub dialect: ErrorFormat,
}

const JSON: BodyLimit = BodyLimit::Bytes(1 << 20);
const LARGE: BodyLimit = BodyLimit::Bytes(8 << 20);
const SMALL: BodyLimit = BodyLimit::Bytes(16 << 10);

const fn row(verb: Verb, path: &'static str, how: RouteHandler) -> Route {
    Route {
        verb,
        path,
        how,
        limit: JSON,
        counted: true,
        dialect: ErrorFormat::Ours,
    }
}

const fn quick(verb: Verb, path: &'static str, how: fn(&SharedState, Instant) -> Reply) -> Route {
    row(verb, path, RouteHandler::Quick(how)).uncounted()
}
const fn open(verb: Verb, path: &'static str, how: fn(RequestContext) -> Answer) -> Route {
    row(verb, path, RouteHandler::Open(how))
}
const fn maybe(
    verb: Verb,
    path: &'static str,
    how: fn(RequestContext, Option<Caller>) -> Answer,
) -> Route {
    row(verb, path, RouteHandler::Maybe(how))
}
const fn user(verb: Verb, path: &'static str, how: fn(RequestContext, Caller) -> Answer) -> Route {
    row(verb, path, RouteHandler::User(how))
}
const fn admin(verb: Verb, path: &'static str, how: fn(RequestContext, Admin) -> Answer) -> Route {
    row(verb, path, RouteHandler::Admin(how))
}
const fn link(
    verb: Verb,
    path: &'static str,
    how: fn(RequestContext, LinkToken) -> Answer,
) -> Route {
    row(verb, path, RouteHandler::Link(how))
}

impl Route {
    /// Takes 16 KiB at most.
    const fn small(mut self) -> Self {
        self.limit = SMALL;
        self
    }
    /// Takes a list of questions.
    const fn large(mut self) -> Self {
        self.limit = LARGE;
        self
    }
    /// Takes a document.
    const fn upload(mut self) -> Self {
        self.limit = BodyLimit::Upload;
        self
    }
    /// Refuses as clients of this vendor's API expect it.
    const fn speaks(mut self, dialect: ErrorFormat) -> Self {
        self.dialect = dialect;
        self
    }
    /// Does not count against the caller's rate.
    const fn uncounted(mut self) -> Self {
        self.counted = false;
        self
    }
    /// Whether its answers may hold what is one person's, so that no cache may keep them.
    pub fn is_private(&self) -> bool {
        let is_open = matches!(self.how, RouteHandler::Quick(_) | RouteHandler::Open(_));
        !is_open || self.path == "/metrics" || self.path.starts_with("/api/auth/")
    }
    /// Who may come in, in a word: `open`, `maybe`, `user`, `admin` or `link`.
    pub const fn access(&self) -> &'static str {
        match self.how {
            RouteHandler::Quick(_) | RouteHandler::Open(_) => "open",
            RouteHandler::Maybe(_) => "maybe",
            RouteHandler::User(_) => "user",
            RouteHandler::Admin(_) => "admin",
            RouteHandler::Link(_) => "link",
        }
    }
}

/// Makes a handler that takes only `RequestContext` fit the table.
macro_rules! o {
    ($handler:path) => {
        |cx| Box::pin($handler(cx))
    };
}
/// Makes a handler that takes `RequestContext` and who is asking fit the table.
macro_rules! h {
    ($handler:path) => {
        |cx, who| Box::pin($handler(cx, who))
    };
}

use Verb::{Delete, Get, Post, Put};

/// The table. `open`, `quick`: `fn(Cx)`; `maybe`: `fn(Cx, Option<Caller>)`; `user`: `fn(Cx, Caller)`;
/// `admin`: `fn(Cx, Admin)`; `link`: `fn(Cx, LinkToken)`, the token being `{token}` of the path.
#[rustfmt::skip]
pub static ROUTES: &[Route] = &[
    // Health and operations.
    quick(Get,    "/health",                                 health::show),
    quick(Get,    "/api/health",                             health::show),
    open( Get,    "/api/metrics",                            o!(health::metrics)),
    open( Get,    "/api/internal/resources",                 o!(health::resources)),
    open( Get,    "/api/internal/ticks",                     o!(health::ticks)),
    maybe(Get,    "/metrics",                                h!(health::prometheus)),
    open( Get,    "/api/openapi.json",                       o!(pages::openapi)),

    // Accounts.
    open( Post,   "/api/auth/register",                      o!(accounts::register)).small(),
    open( Post,   "/api/auth/login",                         o!(accounts::login)).small(),
    open( Post,   "/api/auth/refresh",                       o!(accounts::refresh)).small(),
    open( Post,   "/api/auth/logout",                        o!(accounts::logout)).small(),
    open( Post,   "/api/auth/request-password-reset",        o!(accounts::request_reset)).small(),
    open( Post,   "/api/auth/reset-password-request",        o!(accounts::request_reset)).small(),
    open( Post,   "/api/auth/reset-password",                o!(accounts::reset_password)).small(),
    user( Get,    "/api/users/me",                           h!(accounts::me)),
    user( Put,    "/api/users/me",                           h!(accounts::update_me)).small(),
    user( Post,   "/api/users/me/change-password",           h!(accounts::change_password)).small(),
    user( Get,    "/api/users/me/api-keys",                  h!(api_keys::list)),
    user( Post,   "/api/users/me/api-keys",                  h!(api_keys::create)).small(),
    user( Delete, "/api/users/me/api-keys/{id}",             h!(api_keys::delete)),
    user( Get,    "/api/users/me/export",                    h!(archive::export)),
    user( Post,   "/api/users/me/import",                    h!(archive::import)).upload(),
    user( Get,    "/api/users/me/sessions",                  h!(sessions::list)),
    user( Delete, "/api/users/me/sessions",                  h!(sessions::end_others)),
    user( Delete, "/api/users/me/sessions/{id}",             h!(sessions::end)),
    user( Put,    "/api/users/me/recipe",                    h!(recipes::set_default)).small(),
    user( Get,    "/api/users/me/providers",                 h!(providers::list_own)),
    user( Post,   "/api/users/me/providers",                 h!(providers::add_own)).small(),
    user( Put,    "/api/users/me/providers/{id}",            h!(providers::change_own)).small(),
    user( Delete, "/api/users/me/providers/{id}",            h!(providers::remove_own)),
    user( Post,   "/api/users/me/providers/{id}/test",       h!(providers::test_own)).small(),

    // Administration.
    admin(Get,    "/api/admin/metrics",                      h!(health::hours)),
    admin(Get,    "/api/admin/backup",                       h!(backups::download)),
    admin(Post,   "/api/admin/backup",                       h!(backups::make)).small(),
    admin(Get,    "/api/admin/backups",                      h!(backups::list)),
    admin(Get,    "/api/admin/users",                        h!(admin::users)),
    admin(Post,   "/api/admin/users",                        h!(admin::create_user)).small(),
    admin(Put,    "/api/admin/users/{id}",                   h!(admin::change_user)).small(),
    admin(Delete, "/api/admin/users/{id}",                   h!(admin::delete_user)),
    admin(Post,   "/api/admin/users/{id}/reset-link",        h!(admin::reset_link)).small(),
    admin(Get,    "/api/admin/password-resets",              h!(admin::resets)),
    admin(Post,   "/api/admin/invites",                      h!(admin::invite)).small(),
    admin(Get,    "/api/admin/audit",                        h!(admin::audit)),
    admin(Get,    "/api/admin/config",                       h!(admin::config)),
    admin(Get,    "/api/admin/providers",                    h!(providers::list_all)),
    admin(Post,   "/api/admin/providers",                    h!(providers::add_one)).small(),
    admin(Put,    "/api/admin/providers/{id}",               h!(providers::change_one)).small(),
    admin(Delete, "/api/admin/providers/{id}",               h!(providers::remove_one)),
    admin(Post,   "/api/admin/providers/{id}/test",          h!(providers::test_one)).small(),
    admin(Get,    "/api/admin/fallbacks",                    h!(providers::fallbacks)),
    admin(Put,    "/api/admin/fallbacks",                    h!(providers::set_fallbacks)).small(),
    admin(Post,   "/api/admin/breakers/reset",               h!(providers::reset)).small(),

    // Stored answers.
    admin(Get,    "/api/cache/stats",                        h!(cache::stats)),
    admin(Post,   "/api/cache/clear",                        h!(cache::clear)).small(),
    admin(Delete, "/api/cache/{key}",                        h!(cache::delete)),
    user( Delete, "/api/users/me/cache",                     h!(cache::clear_own)),
    user( Get,    "/api/analyses/{id}/cache",                h!(cache::explain)),

    // Usage and budgets.
    user( Get,    "/api/usage",                              h!(usage::show)),
    user( Get,    "/api/usage/calls",                        h!(usage::calls)),
    admin(Get,    "/api/admin/users/{id}/budget",            h!(usage::budget_of)),
    admin(Put,    "/api/admin/users/{id}/budget",            h!(usage::set_budget)).small(),
    admin(Delete, "/api/admin/users/{id}/budget",            h!(usage::delete_budget)),

    // Documents.
    user( Post,   "/api/upload-document",                    h!(documents::upload)).upload(),
    user( Get,    "/api/documents",                          h!(documents::list)),
    user( Get,    "/api/documents/{id}",                     h!(documents::show)),
    user( Delete, "/api/documents/{id}",                     h!(documents::delete)),
    user( Get,    "/api/documents/{id}/text",                h!(documents::text)),
    user( Get,    "/api/documents/{id}/pages/{n}",           h!(documents::page)),
    user( Post,   "/api/documents/{id}/read",                h!(documents::read_again)).small(),
    user( Get,    "/api/documents/{id}/uses",                h!(documents::uses)),
    user( Get,    "/api/documents/{id}/search",              h!(search::in_one)),
    user( Get,    "/api/search",                             h!(search::in_all)),
    user( Get,    "/api/documents/{id}/content",             h!(documents::content)),
    user( Post,   "/api/create-document-session",            h!(documents::announce)).small(),
    user( Get,    "/api/document-sessions/{id}",             h!(documents::progress)),
    user( Post,   "/api/upload-document-chunk",              h!(documents::put_part)).upload(),
    user( Post,   "/api/finalize-document-upload",           h!(documents::finalize)).small(),

    // Models, patterns, parameters.
    maybe(Get,    "/api/available-models",                   h!(models::available)),
    maybe(Get,    "/api/models",                             h!(models::list)),
    maybe(Get,    "/api/llms",                               h!(models::list)),
    maybe(Get,    "/api/orchestrator/models",                h!(models::list)),
    maybe(Get,    "/api/llm/status",                         h!(models::status)),
    maybe(Get,    "/api/llm/health-check",                   h!(models::status)),
    admin(Post,   "/api/llm/health-check",                   h!(models::probe)).small(),
    maybe(Get,    "/api/orchestrator/patterns",              h!(patterns::list_bare)),
    maybe(Get,    "/api/patterns",                           h!(patterns::list)),
    maybe(Get,    "/api/analysis-patterns",                  h!(patterns::list)),
    maybe(Get,    "/api/patterns/suggest",                   h!(patterns::suggest)),
    maybe(Get,    "/api/patterns/{id}",                      h!(patterns::show)),
    user( Post,   "/api/patterns",                           h!(patterns::add)),
    user( Post,   "/api/patterns/check",                     h!(patterns::check)),
    user( Put,    "/api/patterns/{id}",                      h!(patterns::change)),
    user( Delete, "/api/patterns/{id}",                      h!(patterns::delete)),
    maybe(Get,    "/api/parameters",                         h!(models::parameters)),

    // Recipes.
    user( Get,    "/api/recipes",                            h!(recipes::list)),
    user( Post,   "/api/recipes",                            h!(recipes::save)).small(),
    user( Get,    "/api/recipes/{id}",                       h!(recipes::show)),
    user( Put,    "/api/recipes/{id}",                       h!(recipes::change)).small(),
    user( Delete, "/api/recipes/{id}",                       h!(recipes::delete)),
    user( Get,    "/api/recipes/{id}/versions",              h!(recipes::versions)),

    // For programs that speak to OpenAI or Anthropic.
    user( Get,    "/v1/models",                              h!(compatible_models::list)).speaks(OpenAi),
    user( Get,    "/v1/models/{name*}",                      h!(compatible_models::show)).speaks(OpenAi),
    user( Post,   "/v1/models/{name*}",                      h!(gemini::act)).large().speaks(Gemini),
    user( Get,    "/v1beta/models",                          h!(gemini::list)).speaks(Gemini),
    user( Post,   "/v1beta/models/{name*}",                  h!(gemini::act)).large().speaks(Gemini),
    user( Post,   "/v1/chat/completions",                    h!(compatible::chat)).large().speaks(OpenAi),
    user( Post,   "/v1/completions",                         h!(compatible::complete)).large().speaks(OpenAi),
    user( Post,   "/v1/responses",                           h!(compatible::responses)).large().speaks(OpenAi),
    user( Post,   "/v1/embeddings",                          h!(embeddings::create)).large().speaks(OpenAi),
    user( Post,   "/v1/messages",                            h!(compatible::messages)).large().speaks(Anthropic),
    user( Post,   "/v1/messages/count_tokens",               h!(compatible::count_tokens)).large().speaks(Anthropic),
    user( Post,   "/mcp",                                    h!(mcp::answer)).large(),

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
    user( Get,    "/api/experiments/{id}/duel",              h!(experiments::duel)),
    user( Post,   "/api/experiments/{id}/duel",              h!(experiments::decide)).small(),
    user( Post,   "/api/experiments/{id}/resume",            h!(experiments::resume)).small(),

    // Analyses.
    maybe(Post,   "/analyze",                                h!(analyses::start)),
    maybe(Post,   "/api/analyze",                            h!(analyses::start)),
    maybe(Post,   "/api/orchestrator/analyze",               h!(analyses::orchestrate)),
    maybe(Post,   "/api/estimate",                           h!(analyses::forecast)),
    maybe(Post,   "/api/estimate-tokens",                    h!(analyses::forecast)),
    user( Get,    "/api/analyze",                            h!(history::list)),
    user( Get,    "/api/analyses",                           h!(history::list)),
    user( Get,    "/api/analyses/{id}",                      h!(analyses::show)),
    user( Get,    "/analyze/results/{id}",                   h!(analyses::show)),
    user( Get,    "/api/analyze/{id}/results",               h!(analyses::show)),
    user( Delete, "/api/analyses/{id}",                      h!(analyses::delete)),
    user( Get,    "/api/analyses/{id}/events",               h!(analyses::events)),
    user( Get,    "/analyze/stream/{id}",                    h!(analyses::events)),
    user( Get,    "/api/analyses/{id}/progress",             h!(analyses::progress)),
    user( Get,    "/api/analyses/{id}/export",               h!(analyses::export)),
    user( Post,   "/api/analyses/{id}/cancel",               h!(analyses::cancel)).small(),
    user( Post,   "/api/analyses/{id}/retry",                h!(analyses::retry)).small(),
    user( Post,   "/api/analyses/{id}/rerun",                h!(analyses::rerun)),
    user( Post,   "/api/analyses/{id}/synthesize",           h!(analyses::synthesize)).small(),
    user( Post,   "/api/analyses/{id}/leave-out",            h!(analyses::leave_out)).small(),
    user( Post,   "/api/analyses/{id}/share",                h!(analyses::share)).small(),
    user( Delete, "/api/analyses/{id}/share",                h!(analyses::unshare)),
    user( Post,   "/api/analyses/{id}/vote",                 h!(analyses::vote)).small(),
    user( Post,   "/api/analyses/{id}/comparison",           h!(worth::compare)).small(),
    user( Get,    "/api/analyses/{id}/comparison",           h!(worth::comparison)),
    user( Post,   "/api/analyses/{id}/comparison/vote",      h!(worth::vote)).small(),
    user( Get,    "/api/worth",                              h!(worth::report)),
    user( Put,    "/api/worth",                              h!(worth::set_every)).small(),
    link( Get,    "/api/shared/{token}",                     h!(analyses::shared)),

    // Pages and their files.
    open( Get,    "/",                                       o!(pages::home)).uncounted(),
    open( Get,    "/analyze",                                o!(pages::page)).uncounted(),
    open( Get,    "/documents",                              o!(pages::page)).uncounted(),
    open( Get,    "/orchestrator",                           o!(pages::page)).uncounted(),
    open( Get,    "/modelrunner",                            o!(pages::page)).uncounted(),
    open( Get,    "/history",                                o!(pages::page)).uncounted(),
    open( Get,    "/history/{id}",                           o!(pages::page)).uncounted(),
    open( Get,    "/experiments",                            o!(pages::page)).uncounted(),
    open( Get,    "/welcome",                                o!(pages::page)).uncounted(),
    open( Get,    "/manual",                                 o!(pages::page)).uncounted(),
    open( Get,    "/manual/{topic}",                         o!(pages::page)).uncounted(),
    open( Get,    "/usage",                                  o!(pages::page)).uncounted(),
    open( Get,    "/settings",                               o!(pages::page)).uncounted(),
    open( Get,    "/admin",                                  o!(pages::page)).uncounted(),
    open( Get,    "/login",                                  o!(pages::page)).uncounted(),
    link( Get,    "/share/{token}",                          h!(pages::shared)).uncounted(),
    open( Get,    "/sw.js",                                  o!(pages::worker)).uncounted(),
    open( Get,    "/manifest.webmanifest",                   o!(pages::manifest)).uncounted(),
    open( Get,    "/assets/index.js",                        o!(pages::entry)).uncounted(),
    open( Get,    "/assets/{tree}/{path*}",                  o!(pages::asset)).uncounted(),
];
