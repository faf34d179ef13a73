//! What servers of one database lock: none waits for another in a circle, and none writes what another has taken over.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Barrier};

use quire::domain::usage::UsageAmount;
use quire::engine::SharedReservations;
use quire::store::{Store, StoreError, Writer, settings};

use super::cluster::Cluster;
use super::store::{close, open};

fn member(cluster: &Cluster, seed: u128) -> Store {
    let store = open(cluster, "postgres").unwrap();
    store.join_servers(seed).unwrap();
    store
}

/// Queues a change and a reservation while the writer is busy, so that it finds both at once.
async fn queue_both(store: Store, reserves_first: bool, meeting: Arc<Barrier>) {
    let reservations = SharedReservations::new(store.clone());
    let amount = UsageAmount {
        tokens: 1,
        ..UsageAmount::default()
    };
    let (began, running) = sync_channel::<()>(1);
    let (go, wait) = sync_channel::<()>(1);
    let holder = store.clone();
    let holder = std::thread::spawn(move || {
        holder.write_now(move |_| {
            began.send(()).unwrap();
            wait.recv().unwrap();
            Ok(())
        })
    });
    running.recv().unwrap();
    let meets = Arc::new(AtomicBool::new(true));
    // Each server has its first lock before either asks for its second one.
    let meet = move |is_first: bool| {
        if is_first && meets.swap(false, Relaxed) {
            meeting.wait();
        }
    };
    let met = meet.clone();
    let change = store.write(move |db| {
        settings::set(db, "shared row", "x")?;
        meet(!reserves_first);
        Ok(())
    });
    let reserved = reservations.reserve("user_1", amount, move |_: &Writer, _| {
        met(reserves_first);
        Ok(Ok::<_, StoreError>(()))
    });
    let start = async { go.send(()).unwrap() };
    let (changed, reserved) = match reserves_first {
        true => {
            let (reserved, changed, ()) = tokio::join!(biased; reserved, change, start);
            (changed, reserved)
        }
        false => {
            let (changed, reserved, ()) = tokio::join!(biased; change, reserved, start);
            (changed, reserved)
        }
    };
    assert_eq!((changed, reserved), (Ok(()), Ok(Ok(()))));
    holder.join().unwrap().unwrap();
}

#[test]
fn two_servers_that_change_a_row_and_reserve_in_opposite_orders_do_not_block_each_other() {
    let cluster = Cluster::start();
    let stores = [member(&cluster, 1), member(&cluster, 2)];
    let meeting = Arc::new(Barrier::new(2));
    let threads = [false, true].map(|reserves_first| {
        let (store, meeting) = (
            stores[usize::from(reserves_first)].clone(),
            meeting.clone(),
        );
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_time().build().unwrap();
            runtime.block_on(queue_both(store, reserves_first, meeting));
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
    stores.iter().for_each(close);
}
