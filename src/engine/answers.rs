//! Answers that may stand in for calls: exact repetitions only. The key covers everything that could
//! change the answer, and whose it is, so that nobody is served what another person paid for or may not see.

use serde_json::json;

use super::Shared;
use crate::clock;
use crate::crypto;
use crate::domain::chat::{Answer, Finish, Request};
use crate::domain::id::UserId;
use crate::store::{Reader, Writer, answers};

/// Changes when the meaning of stored answers does.
const SCHEMA: u32 = 1;

/// The cache key of a call: SHA-256 over the canonical request, the endpoint, the owner and our schema.
pub(super) fn key(user: &UserId, endpoint: &str, request: &Request) -> String {
    let canonical = json!([
        SCHEMA,
        env!("CARGO_PKG_VERSION"),
        user.as_str(),
        endpoint,
        request.model,
        request.messages,
        request.parameters,
        request.format,
        request.sample
    ]);
    crypto::hex(&crypto::sha256::hash(canonical.to_string().as_bytes()))
}

/// A stored answer, if one is there and not too old; the use is counted. A store that cannot answer is no
/// reason not to ask the model.
pub(super) async fn find(shared: &Shared, user: &UserId, key: &str) -> Option<Answer> {
    let (of, wanted) = (user.clone(), key.to_owned());
    let look = move |db: &Reader| answers::look(db, Some(&of), &wanted, clock::now());
    shared.store.read(look).await.ok().flatten()?;
    // A miss, the common case, has not troubled the writer.
    let (of, wanted) = (user.clone(), key.to_owned());
    let take = move |db: &Writer| answers::get(db, Some(&of), &wanted, clock::now());
    let found = shared.store.write(take).await.ok().flatten();
    found.map(|kept| kept.answer)
}

/// Only whole answers with a proper end are worth keeping: an error or a refusal must not be replayed.
pub(super) fn is_worth_keeping(answer: &Answer) -> bool {
    matches!(answer.finish, Finish::Stop | Finish::Length) && !answer.text.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::chat::{Brief, Message, Role};
    use crate::domain::parameters::Parameters;
    use crate::domain::time::Timestamp;
    use std::time::Duration;

    #[test]
    fn the_key_covers_what_changes_an_answer() {
        let ada = UserId::new(Timestamp::from_millis(1), 1);
        let bob = UserId::new(Timestamp::from_millis(1), 2);
        let request = |text: &str, temperature: f64| Request {
            model: "x/y".into(),
            messages: vec![Message::new(Role::User, text)],
            parameters: Parameters {
                temperature: Some(temperature),
                ..Parameters::default()
            },
            brief: Brief::default(),
            deadline: Duration::from_secs(1),
            format: None,
            sample: 0,
            is_reread: false,
        };
        let base = key(&ada, "http://a", &request("q", 0.1));
        assert_eq!(base, key(&ada, "http://a", &request("q", 0.1)));
        for other in [
            key(&bob, "http://a", &request("q", 0.1)),
            key(&ada, "http://b", &request("q", 0.1)),
            key(&ada, "http://a", &request("r", 0.1)),
            key(&ada, "http://a", &request("q", 0.2)),
        ] {
            assert_ne!(base, other);
        }
    }
}
