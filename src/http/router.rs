//! Matches a method and a path to a route. Literal paths are looked up in a hash map, paths with parameters compared
//! segment by segment: a few dozen routes need no trie.

use std::collections::HashMap;

use hyper::Method;

use super::compatible_paths::canonical_path;
use super::error::ErrorFormat;
use super::percent::decode;
use super::routes::{ROUTES, Route, Verb};

/// The result of matching a method and a path.
pub enum RouteMatch {
    /// A route and the parameters of the path.
    Route(&'static Route, Vec<(&'static str, String)>),
    /// The path exists, but only with these methods, listed as in `Allow`.
    Methods(String, ErrorFormat),
    /// No such path.
    None,
}

/// The route table, indexed for lookups.
pub struct Router {
    literal: HashMap<&'static str, Vec<&'static Route>>,
    patterns: Vec<(Vec<Segment>, Vec<&'static Route>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(&'static str),
    Param(&'static str),
    Rest(&'static str),
}

impl Router {
    /// Indexes the route table.
    pub fn new() -> Self {
        Self::of(ROUTES)
    }

    fn of(routes: &'static [Route]) -> Self {
        let mut literal: HashMap<_, Vec<_>> = HashMap::new();
        let mut patterns: Vec<(Vec<Segment>, Vec<&Route>)> = Vec::new();
        for route in routes {
            if !route.path.contains('{') {
                literal.entry(route.path).or_default().push(route);
                continue;
            }
            let segments = split(route.path);
            match patterns.iter_mut().find(|(known, _)| *known == segments) {
                Some((_, routes)) => routes.push(route),
                None => patterns.push((segments, vec![route])),
            }
        }
        Self { literal, patterns }
    }

    /// Finds the route for a method and a path. Literal paths take precedence over paths with parameters.
    pub fn find(&self, method: &Method, path: &str) -> RouteMatch {
        if let Some(routes) = self.literal.get(path) {
            return select_method(method, routes, Vec::new());
        }
        let canonical = canonical_path(path);
        let path = canonical.as_deref().unwrap_or(path);
        if let Some(routes) = self.literal.get(path) {
            return select_method(method, routes, Vec::new());
        }
        for (segments, routes) in &self.patterns {
            if let Some(params) = match_segments(segments, path) {
                return select_method(method, routes, params);
            }
        }
        RouteMatch::None
    }
}

fn split(path: &'static str) -> Vec<Segment> {
    let segment = |text: &'static str| match text.strip_prefix('{') {
        None => Segment::Literal(text),
        Some(name) => match name.strip_suffix("*}") {
            Some(name) => Segment::Rest(name),
            None => Segment::Param(name.trim_end_matches('}')),
        },
    };
    path.split('/').skip(1).map(segment).collect()
}

fn select_method(
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

fn match_segments(segments: &[Segment], path: &str) -> Option<Vec<(&'static str, String)>> {
    let mut params = Vec::new();
    let mut rest = path.strip_prefix('/')?;
    for (position, segment) in segments.iter().enumerate() {
        if let Segment::Rest(name) = segment {
            params.push((*name, rest.to_owned()));
            return Some(params);
        }
        let (part, after) = match rest.split_once('/') {
            Some((part, after)) => (part, Some(after)),
            None => (rest, None),
        };
        match segment {
            Segment::Literal(text) if *text == part => {}
            Segment::Param(name) if !part.is_empty() => params.push((*name, decode(part, false)?)),
            _ => return None,
        }
        let is_last = position + 1 == segments.len();
        match after {
            None if is_last => return Some(params),
            Some(after) if !is_last => rest = after,
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &'static str, path: &str) -> Option<Vec<String>> {
        let params = match_segments(&split(pattern), path)?;
        Some(
            params
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        )
    }

    #[test]
    fn paths() {
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
            assert_eq!(fits(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn addresses_of_the_compatible_apis_have_several_forms() {
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
            let found = Router::new().find(&Method::OPTIONS, path);
            let exists = !matches!(found, RouteMatch::None);
            assert!(exists || canonical.is_none(), "{path}");
        }
    }

    #[test]
    fn no_row_hides_another() {
        let mut seen = std::collections::BTreeSet::new();
        for route in ROUTES {
            assert!(
                seen.insert((route.verb, route.path)),
                "{} twice",
                route.path
            );
            // Two paths conflict only if each is at least as general as the other.
            for other in ROUTES.iter().filter(|other| other.path != route.path) {
                let (one, two) = (split(route.path), split(other.path));
                let meet = one.len() == two.len()
                    && one.iter().zip(&two).all(|(a, b)| {
                        a == b || !matches!((a, b), (Segment::Literal(_), Segment::Literal(_)))
                    });
                let both_have_holes = route.path.contains('{') && other.path.contains('{');
                assert!(
                    !(meet && both_have_holes),
                    "{} and {}",
                    route.path,
                    other.path
                );
            }
        }
    }
}
