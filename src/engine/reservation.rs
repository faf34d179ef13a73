//! Places that one request keeps for several runs, one after the other, so that none of them is refused half-way.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::{Engine, EngineShared, RunRefused};
use crate::domain::id::UserId;

/// Places by person; people without an account count as one.
pub(super) type Reserved = HashMap<Option<UserId>, usize>;

/// Places among the runs that are under way or wait. Given back when it is dropped.
pub struct Reservation {
    shared: Arc<EngineShared>,
    user: Option<UserId>,
    places: usize,
}

impl Engine {
    /// Keeps places for runs that are started with `Run::is_reserved`; the holder starts no more than that at once.
    ///
    /// # Errors
    /// As a single run that finds no place.
    pub fn reserve(&self, user: Option<UserId>, places: usize) -> Result<Reservation, RunRefused> {
        let running = self.shared.running();
        (self.shared).check_room(&running, user.as_ref(), places, false)?;
        *self.shared.reserved().entry(user.clone()).or_default() += places;
        Ok(Reservation {
            shared: self.shared.clone(),
            user,
            places,
        })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut reserved = self.shared.reserved();
        if let Some(places) = reserved.get_mut(&self.user) {
            *places = places.saturating_sub(self.places);
            if *places == 0 {
                reserved.remove(&self.user);
            }
        }
    }
}

impl EngineShared {
    pub(super) fn reserved(&self) -> MutexGuard<'_, Reserved> {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
