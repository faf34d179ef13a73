//! `Link` headers that list the scripts and style sheets of a page, so that a browser fetches them while it reads the
//! HTML instead of discovering them one after the other.

/// The module of the guided page.
const ANALYZE: &str = "pages/analyze";
/// The module of the guided page when it shows a result.
const ANALYZE_RESULT: &str = "pages/analyze#result";

/// The header values, one line per page module, from a file that the build script generates.
static LINKS: &str = include_str!(concat!(env!("OUT_DIR"), "/preloads.txt"));

/// Returns the `Link` header for the page at a path, or `None` if it needs no header. `has_id` tells whether the query
/// contains the ID of an analysis.
pub fn links(path: &str, has_id: bool, is_signed_in: bool) -> Option<&'static str> {
    let page = match page_module(path, is_signed_in)? {
        ANALYZE if has_id || path.starts_with("/history/") => ANALYZE_RESULT,
        page => page,
    };
    let mut lines = LINKS.lines().filter_map(|line| line.split_once('\t'));
    lines
        .find(|(name, _)| *name == page)
        .map(|(_, links)| links)
}

/// Returns the module that renders the page at a path, according to the table in `assets/js/router.js`.
fn page_module(path: &str, is_signed_in: bool) -> Option<&'static str> {
    let mut parts = path.trim_matches('/').split('/');
    let module = match (parts.next()?, parts.next()) {
        ("", None) if !is_signed_in => "pages/landing",
        ("analyze", None) => ANALYZE,
        ("orchestrator", None) => "pages/orchestrator",
        ("modelrunner", None) => "pages/modelrunner",
        // Signed-out visitors see only one sentence on this page, which needs none of these files.
        ("experiments", None) if !is_signed_in => return None,
        ("experiments", None) => "pages/experiments",
        ("documents", None) => "pages/documents",
        ("manual", _) => "pages/manual",
        ("login", None) => "pages/login",
        ("share", Some(_)) => "pages/share",
        // All other pages show the sign-in form to visitors without an account.
        _ if !is_signed_in => "pages/login",
        ("", None) | ("t", Some(_)) => "pages/thread",
        ("projects", Some(_)) => "pages/project",
        ("history", None) => "pages/history",
        ("history", Some(_)) => ANALYZE,
        ("usage", None) => "pages/usage",
        ("settings", None) => "pages/settings",
        ("admin", None) => "pages/admin",
        ("welcome", None) => "pages/first-run",
        _ => return None,
    };
    Some(module)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::assets::{self, CachePolicy};

    /// Returns each path in the router's table with its page module.
    fn routes() -> Vec<(String, String)> {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../assets/js/router.js");
        let text = std::fs::read_to_string(file).expect("a router");
        let module = |line: &str| {
            let (_, rest) = line.split_once("import(\"./")?;
            rest.split_once(".js\")").map(|(name, _)| name.to_owned())
        };
        let constant = |name: &str| {
            let start = format!("const {name} = () => ");
            text.lines()
                .find(|line| line.starts_with(&start))
                .and_then(module)
        };
        let rows = text.lines().filter_map(|line| line.strip_prefix("  [\"/"));
        rows.map(|row| {
            let path = row.split('"').next().unwrap_or_default();
            let name = row
                .trim_end_matches("],")
                .rsplit(' ')
                .next()
                .unwrap_or_default();
            let module_path = module(row).or_else(|| constant(name)).expect(row);
            (format!("/{path}"), module_path)
        })
        .collect()
    }

    #[test]
    fn pages_are_the_ones_of_the_router() {
        let routes = routes();
        assert!(routes.len() > 15, "{routes:?}");
        for (path, module) in routes {
            let is_open = page_module(&path, false) == Some(&module[..]);
            assert!(
                is_open || page_module(&path, true) == Some(&module[..]),
                "{path}"
            );
            let links: Vec<&str> = (links(&path, false, !is_open).expect("a list"))
                .split(", ")
                .collect();
            for (index, link) in links.iter().enumerate() {
                assert!(!links[..index].contains(link), "{path}: {link} twice");
                let (address, _) = link.split_once(">; ").expect(link);
                let name = address
                    .strip_prefix(&format!("</assets/{}/", assets::TREE_HASH))
                    .expect(address);
                let reply =
                    assets::asset_reply(name, CachePolicy::Immutable, &hyper::HeaderMap::new());
                assert!(reply.is_ok(), "{path}: {name}");
            }
        }
        assert_eq!(page_module("/", true), Some("pages/thread"));
        let first = |has_id| links("/analyze", has_id, true).expect("a list");
        assert!(first(false).contains("/ask.js") && !first(false).contains("/results.js"));
        assert!(first(true).contains("/results.js") && !first(true).contains("/ask.js"));
        assert_eq!(links("/nothing", false, true), None);
    }
}
