//! Matches methods and paths to routes: literal paths in a hash map, and paths with parameters in a radix tree.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use hyper::Method;

use super::compatible_paths::canonical_path;
use super::error::ErrorFormat;
use super::percent::decode;
use super::routes::{ROUTES, Route, Verb};
use crate::log;

/// The result of matching a method and a path.
pub enum RouteMatch {
    /// A route, and the path's parameters.
    Route(&'static Route, Vec<(&'static str, String)>),
    /// The path exists, but only with these methods, which are in the format of the `Allow` header. The error format is
    /// that of the path's routes.
    Methods(String, ErrorFormat),
    /// No route has this path.
    None,
}

/// The route table, indexed for fast lookups.
pub struct Router {
    literal: HashMap<&'static str, Vec<&'static Route>>,
    routes: &'static [Route],
    /// Built on first use, because the literal paths suffice until someone signs in.
    patterns: OnceLock<matchit::Router<PatternRoutes>>,
}

/// The routes of one path with parameters.
#[derive(Default)]
struct PatternRoutes {
    /// Names of the parameters, in order.
    params: Vec<&'static str>,
    /// Whether the last parameter takes the rest of the path. That parameter is not decoded.
    has_rest: bool,
    routes: Vec<&'static Route>,
}

impl PatternRoutes {
    fn from_routes(path: &'static str) -> Self {
        let names = path
            .split('{')
            .skip(1)
            .filter_map(|part| part.split('}').next());
        Self {
            params: names.map(|name| name.trim_end_matches('*')).collect(),
            has_rest: path.ends_with("*}"),
            routes: Vec::new(),
        }
    }
    /// Returns the decoded parameters, or `None` if one of them cannot be decoded.
    fn decode_params(
        &self,
        params: &matchit::Params<'_, '_>,
    ) -> Option<Vec<(&'static str, String)>> {
        let last = self.params.len().saturating_sub(1);
        let values = params.iter().map(|(_, value)| value).enumerate();
        let values = values.map(
            |(position, value)| match self.has_rest && position == last {
                true => Some(value.to_owned()),
                false => decode(value, false),
            },
        );
        let values = values.collect::<Option<Vec<String>>>()?;
        Some(self.params.iter().copied().zip(values).collect())
    }
}

impl Router {
    /// Indexes the route table.
    pub fn new() -> Self {
        Self::from_routes(ROUTES)
    }

    fn from_routes(routes: &'static [Route]) -> Self {
        let mut literal: HashMap<_, Vec<_>> = HashMap::with_capacity(routes.len());
        for route in routes.iter().filter(|route| !has_parameters(route)) {
            literal.entry(route.path).or_default().push(route);
        }
        Self {
            literal,
            routes,
            patterns: OnceLock::new(),
        }
    }

    fn index_patterns(&self) -> matchit::Router<PatternRoutes> {
        let mut with_params: BTreeMap<&str, PatternRoutes> = BTreeMap::new();
        for route in self.routes.iter().filter(|route| has_parameters(route)) {
            let pattern_routes = with_params.entry(route.path);
            let pattern_routes =
                pattern_routes.or_insert_with(|| PatternRoutes::from_routes(route.path));
            pattern_routes.routes.push(route);
        }
        let mut patterns = matchit::Router::new();
        for (path, routes) in with_params {
            // This cannot fail, because a test inserts all routes.
            if let Err(error) = patterns.insert(matchit_pattern(path), routes) {
                log::error(
                    "a route cannot be matched",
                    &[("path", &path), ("why", &error)],
                );
            }
        }
        patterns
    }

    /// Finds the route for a method and a path, also in the variants of the compatible APIs' paths. Literal paths take
    /// precedence over paths with parameters.
    pub fn find(&self, method: &Method, path: &str) -> RouteMatch {
        if let Some(routes) = self.literal.get(path) {
            return dispatch_method(method, routes, Vec::new());
        }
        let canonical = canonical_path(path);
        let path = canonical.as_deref().unwrap_or(path);
        if let Some(routes) = self.literal.get(path) {
            return dispatch_method(method, routes, Vec::new());
        }
        let Ok(matched) = self.patterns.get_or_init(|| self.index_patterns()).at(path) else {
            return RouteMatch::None;
        };
        match matched.value.decode_params(&matched.params) {
            Some(params) => dispatch_method(method, &matched.value.routes, params),
            None => RouteMatch::None,
        }
    }
}

fn has_parameters(route: &Route) -> bool {
    route.path.contains('{')
}

/// Converts a path of the route table to the notation of `matchit`, in which `{name*}` is written as `{*name}`.
fn matchit_pattern(path: &str) -> String {
    match path
        .strip_suffix("*}")
        .and_then(|path| path.rsplit_once('{'))
    {
        Some((path, name)) => format!("{path}{{*{name}}}"),
        None => path.to_owned(),
    }
}

fn dispatch_method(
    method: &Method,
    routes: &[&'static Route],
    params: Vec<(&'static str, String)>,
) -> RouteMatch {
    let verb_name = match *method {
        Method::HEAD => "GET",
        _ => method.as_str(),
    };
    match routes.iter().find(|route| route.verb.as_str() == verb_name) {
        Some(route) => RouteMatch::Route(route, params),
        None => RouteMatch::Methods(allow_header(routes), error_format_of(routes)),
    }
}

fn error_format_of(routes: &[&'static Route]) -> ErrorFormat {
    routes
        .first()
        .map_or(ErrorFormat::Quire, |route| route.error_format)
}

fn allow_header(routes: &[&'static Route]) -> String {
    let mut verbs: Vec<Verb> = routes.iter().map(|route| route.verb).collect();
    verbs.sort();
    let mut names = Vec::new();
    for verb in verbs {
        names.push(verb.as_str());
        if verb == Verb::Get {
            names.push("HEAD");
        }
    }
    names.push("OPTIONS");
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched_values(pattern: &'static str, path: &str) -> Option<Vec<String>> {
        let mut router = matchit::Router::new();
        let routes = PatternRoutes::from_routes(pattern);
        router
            .insert(matchit_pattern(pattern), routes)
            .expect("a pattern");
        let matched = router.at(path).ok()?;
        let params = matched.value.decode_params(&matched.params)?.into_iter();
        Some(
            params
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        )
    }

    #[test]
    fn paths_are_matched() {
        for (pattern, path, expected) in [
            ("/a/{id}", "/a/7", Some(vec!["id=7"])),
            ("/a/{id}", "/a/7%2F8", Some(vec!["id=7/8"])),
            ("/a/{id}", "/a/", None),
            ("/a/{id}", "/a", None),
            ("/a/{id}", "/a/7/", None),
            ("/a/{id}", "/a/%ff", None),
            ("/a/{id}/b", "/a/7/b", Some(vec!["id=7"])),
            ("/a/{id}/b", "/a/7/c", None),
            (
                "/a/{x}/{rest*}",
                "/a/7/b/c.js",
                Some(vec!["x=7", "rest=b/c.js"]),
            ),
            ("/a/{x}/{rest*}", "/a/7", None),
        ] {
            let expected = expected.map(|list| list.into_iter().map(str::to_owned).collect());
            assert_eq!(matched_values(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn compatible_paths_have_several_forms() {
        for (path, canonical) in [
            ("/v1/models/", Some("/v1/models")),
            ("/models", Some("/v1/models")),
            ("/models/quire/gut/", Some("/v1/models/quire/gut")),
            ("/chat/completions", Some("/v1/chat/completions")),
            (
                "/v1/messages/count_tokens/",
                Some("/v1/messages/count_tokens"),
            ),
            ("//v1/chat/completions", Some("/v1/chat/completions")),
            ("/v1//models//", Some("/v1/models")),
            ("/v1/v1/messages", None),
            ("/v1models", None),
            ("/v1/nowhere", None),
            ("/api/models/", None),
            ("/", None),
        ] {
            assert_eq!(canonical_path(path).as_deref(), canonical, "{path}");
            let route_match = Router::new().find(&Method::OPTIONS, path);
            let exists = !matches!(route_match, RouteMatch::None);
            assert!(exists || canonical.is_none(), "{path}");
        }
    }

    #[test]
    fn every_route_is_found_by_its_own_path() {
        let router = Router::new();
        let mut seen_paths = std::collections::BTreeSet::new();
        for route in ROUTES {
            assert!(
                seen_paths.insert((route.verb, route.path)),
                "{} twice",
                route.path
            );
            let path = route.path.replace("*}", "}").replace(['{', '}'], "");
            let method = Method::from_bytes(route.verb.as_str().as_bytes()).expect("a method");
            let RouteMatch::Route(matched_route, params) = router.find(&method, &path) else {
                panic!("{} is not found", route.path);
            };
            assert_eq!(
                (matched_route.verb, matched_route.path),
                (route.verb, route.path)
            );
            assert!(
                params.iter().all(|(name, value)| name == value),
                "{params:?}"
            );
        }
    }
}
