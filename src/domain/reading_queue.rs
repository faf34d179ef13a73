//! Schedules document processing. Users are treated fairly, and each user's small files come first. With more than one
//! reader, no user can occupy all of them. Decides only the order, and does no I/O.

use std::collections::{BTreeMap, BTreeSet};

use super::id::{DocumentId, UserId};

/// Maximum number of documents that one user may have waiting.
pub const MAX_WAITING: u64 = 100;
/// Every n-th turn of a user goes to the document waiting longest, so that small files cannot starve a large one.
const OLDEST_FIRST_INTERVAL: u64 = 4;

/// A document waiting to be processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingDocument {
    /// Document ID; IDs sort by upload time.
    pub id: DocumentId,
    /// The user who uploaded the document. Users take turns.
    pub user: UserId,
    /// File size in bytes.
    pub size: u64,
}

/// Scheduling state: each user's last turn, and the documents in progress.
#[derive(Debug, Default)]
pub struct ReadingQueue {
    turns_by_user: BTreeMap<UserId, QueueTurn>,
    count: u64,
}

#[derive(Debug, Default)]
struct QueueTurn {
    /// When the user was last served (an even number) or, before that, first seen (an odd number).
    last_turn: u64,
    /// Number of this user's documents served so far.
    served: u64,
    /// Number of the user's documents being processed.
    active_documents: usize,
}

impl ReadingQueue {
    /// Selects the next document when one of `readers` is free. Prefers the user who occupies the fewest
    /// readers and, among those, the one whose last turn was longest ago. `None` if nothing is waiting, or if
    /// every waiting document belongs to a user who already occupies all readers but one.
    pub fn next<'a>(
        &self,
        waiting: &'a [WaitingDocument],
        readers: usize,
    ) -> Option<&'a WaitingDocument> {
        let share = readers.saturating_sub(1).max(1);
        let turn = |document: &WaitingDocument| {
            let turn = self.turns_by_user.get(&document.user);
            turn.map_or((0, self.current_turn()), |turn| {
                (turn.active_documents, turn.last_turn)
            })
        };
        let person = waiting
            .iter()
            .filter(|document| turn(document).0 < share)
            .min_by_key(|document| (turn(document), &document.id))?;
        let served = self
            .turns_by_user
            .get(&person.user)
            .map_or(0, |turn| turn.served);
        let own_documents = waiting
            .iter()
            .filter(|document| document.user == person.user);
        match (served + 1).is_multiple_of(OLDEST_FIRST_INTERVAL) {
            true => own_documents.min_by_key(|document| &document.id),
            false => own_documents.min_by_key(|document| (document.size, &document.id)),
        }
    }

    /// Records that processing of one of the user's documents has begun.
    pub fn begin(&mut self, user: &UserId) {
        self.count += 1;
        let turn = self.turns_by_user.entry(user.clone()).or_default();
        turn.last_turn = 2 * self.count;
        turn.served += 1;
        turn.active_documents += 1;
    }

    /// Records that processing of one of the user's documents has ended.
    pub fn end(&mut self, user: &UserId) {
        if let Some(turn) = self.turns_by_user.get_mut(user) {
            turn.active_documents = turn.active_documents.saturating_sub(1);
        }
    }

    /// Records the waiting users. New users queue behind those who have been waiting since an earlier turn,
    /// but ahead of the user served last. Users who neither wait nor occupy a reader are removed.
    pub fn update_waiting(&mut self, waiting: &[WaitingDocument]) {
        let people: BTreeSet<&UserId> = waiting.iter().map(|document| &document.user).collect();
        self.turns_by_user
            .retain(|user, turn| turn.active_documents > 0 || people.contains(user));
        let now = self.current_turn();
        for user in people {
            if !self.turns_by_user.contains_key(user) {
                let turn = QueueTurn {
                    last_turn: now,
                    ..QueueTurn::default()
                };
                self.turns_by_user.insert(user.clone(), turn);
            }
        }
    }

    // Served users get even numbers. A user who arrives between two turns gets the odd number in between.
    fn current_turn(&self) -> u64 {
        (2 * self.count).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::time::Timestamp;

    fn user(n: u8) -> UserId {
        UserId::new(Timestamp::from_millis(1), n.into())
    }

    fn document(number: u32, owner: u8, size: u64) -> WaitingDocument {
        WaitingDocument {
            id: DocumentId::new(Timestamp::from_millis(number.into()), number.into()),
            user: user(owner),
            size,
        }
    }

    /// Processes everything with one reader, and returns the sizes in order of processing.
    fn reading_order(mut waiting: Vec<WaitingDocument>) -> Vec<u64> {
        let mut turns = ReadingQueue::default();
        let mut read = Vec::new();
        while let Some(next) = turns.next(&waiting, 1).cloned() {
            turns.begin(&next.user);
            turns.end(&next.user);
            waiting.retain(|queued| queued.id != next.id);
            read.push(next.size);
        }
        read
    }

    #[test]
    fn users_take_turns_and_small_files_come_first() {
        let mut waiting_documents: Vec<_> = (0..10)
            .map(|n| document(n, 1, 43_000 - u64::from(n)))
            .collect();
        waiting_documents.push(document(20, 2, 16));
        assert_eq!(reading_order(waiting_documents)[..2], [42_991, 16]);
        let waiting_documents = vec![document(1, 1, 30), document(2, 1, 10), document(3, 1, 20)];
        assert_eq!(reading_order(waiting_documents), [10, 20, 30]);
        // A user's oldest document gets its turn, however large it is.
        let waiting_documents = (0..8).map(|n| document(n, 1, 100 - u64::from(n))).collect();
        assert_eq!(
            reading_order(waiting_documents),
            [93, 94, 95, 100, 96, 97, 98, 99]
        );
    }

    #[test]
    fn no_user_occupies_the_last_reader() {
        let waiting_documents = [document(1, 1, 10), document(2, 1, 10), document(3, 2, 10)];
        let mut turns = ReadingQueue::default();
        turns.begin(&user(1));
        assert_eq!(turns.next(&waiting_documents[..2], 2), None);
        assert_eq!(
            turns.next(&waiting_documents, 2),
            Some(&waiting_documents[2])
        );
        assert_eq!(
            turns.next(&waiting_documents[..2], 3),
            Some(&waiting_documents[0])
        );
        turns.end(&user(1));
        assert_eq!(
            turns.next(&waiting_documents[..2], 2),
            Some(&waiting_documents[0])
        );
        assert_eq!(
            turns.next(&waiting_documents[..2], 1),
            Some(&waiting_documents[0])
        );
    }

    #[test]
    fn idle_users_are_removed_and_new_users_wait_a_turn() {
        let mut turns = ReadingQueue::default();
        for n in 0..100 {
            turns.begin(&user(n));
            turns.end(&user(n));
        }
        turns.begin(&user(7));
        turns.update_waiting(&[document(1, 3, 1)]);
        assert_eq!(turns.turns_by_user.len(), 2);
        // A user who returns with one file at a time does not overtake one who has waited.
        let mut turns = ReadingQueue::default();
        let patient = document(9, 9, 1);
        turns.begin(&user(9));
        turns.end(&user(9));
        for n in 0..3 {
            let waiting_documents = [document(10 + n, 1, 1), patient.clone()];
            turns.update_waiting(&waiting_documents);
            let next = turns
                .next(&waiting_documents, 1)
                .cloned()
                .expect("something waits");
            if next == patient {
                return;
            }
            turns.begin(&next.user);
            turns.end(&next.user);
            turns.update_waiting(std::slice::from_ref(&patient));
        }
        panic!("passed by again and again");
    }

    /// An upload of a file of this size by a user, or the end of the processing at this index.
    #[derive(Debug, Clone)]
    enum Event {
        Upload(u8, u64),
        Finish(usize),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0u8..4, 0u64..5).prop_map(|(user, size)| Event::Upload(user, size)),
            (0usize..4).prop_map(Event::Finish),
        ]
    }

    proptest! {
        /// A waiting user is served before any other is served twice, and with several readers, no user ever occupies
        /// all of them.
        #[test]
        fn no_user_starves(readers in 1usize..5, events in prop::collection::vec(event(), 1..200)) {
            let mut turns = ReadingQueue::default();
            let (mut waiting_documents, mut reading_users) = (Vec::<WaitingDocument>::new(), Vec::<UserId>::new());
            // For each waiting user who occupies no reader, the users served since the wait began.
            let mut since: BTreeMap<UserId, Vec<UserId>> = BTreeMap::new();
            let share = readers.saturating_sub(1).max(1);
            for (number, event) in events.into_iter().enumerate() {
                match event {
                    Event::Upload(owner, size) => waiting_documents.push(document(number as u32, owner, size)),
                    Event::Finish(at) if at < reading_users.len() => turns.end(&reading_users.remove(at)),
                    Event::Finish(_) => {}
                }
                turns.update_waiting(&waiting_documents);
                while reading_users.len() < readers {
                    let Some(next) = turns.next(&waiting_documents, readers).cloned() else {
                        let holds = |user: &UserId| reading_users.iter().filter(|other| *other == user).count();
                        prop_assert!(waiting_documents.iter().all(|queued| holds(&queued.user) >= share));
                        break;
                    };
                    turns.begin(&next.user);
                    reading_users.push(next.user.clone());
                    waiting_documents.retain(|queued| queued.id != next.id);
                    since.remove(&next.user);
                    for queued in &waiting_documents {
                        let holds = reading_users.iter().filter(|other| **other == queued.user).count();
                        if holds == 0 && queued.user != next.user {
                            let served = since.entry(queued.user.clone()).or_default();
                            prop_assert!(!served.contains(&next.user), "{} twice before {}", next.user, queued.user);
                        }
                    }
                    let people: BTreeSet<UserId> =
                        waiting_documents.iter().map(|queued| queued.user.clone()).collect();
                    for person in people {
                        if person != next.user && !reading_users.contains(&person) {
                            since.entry(person).or_default().push(next.user.clone());
                        }
                    }
                }
                let max_occupied = reading_users.iter().map(|user| reading_users.iter().filter(|other| *other == user).count());
                let max_occupied = max_occupied.max().unwrap_or(0);
                prop_assert!(readers == 1 || max_occupied < readers, "one person holds {} readers", max_occupied);
            }
        }

        /// All of a user's documents are processed, however many small ones keep arriving.
        #[test]
        fn no_document_starves(sizes in prop::collection::vec(0u64..100, 1..60)) {
            let mut turns = ReadingQueue::default();
            let large = document(0, 1, 1_000);
            let mut waiting_documents = vec![large.clone()];
            for (number, size) in sizes.into_iter().enumerate() {
                waiting_documents.push(document(number as u32 + 1, 1, size));
                let next = turns.next(&waiting_documents, 1).cloned().expect("something waits");
                turns.begin(&next.user);
                turns.end(&next.user);
                waiting_documents.retain(|queued| queued.id != next.id);
                if number >= 3 {
                    prop_assert!(!waiting_documents.contains(&large));
                }
            }
        }
    }
}
