//! A journal in which somebody changed rows: it opens with a record that holds, or says that it does not.

use std::cell::RefCell;

use lockstep_core::channel::Channel;
use lockstep_core::commit::{commit, recover};
use lockstep_core::ids::{ChannelId, Side};
use lockstep_core::input::Input;
use lockstep_store::crash::{CrashStore, Image};
use lockstep_store::engine::Row;
use lockstep_store::fixture::ChannelFixture;
use lockstep_store::row_source::RowSource;
use lockstep_store::table::Table;
use lockstep_store::write_set::WriteSet;

use crate::supply::Supply;

/// Rows that are changed in one run.
const MAX_CHANGES: u8 = 4;

/// A busy channel's rows, and a store to put them in.
struct Sample {
    id: ChannelId,
    image: Image,
}

impl Sample {
    fn new(side: Side) -> Self {
        let fixture = ChannelFixture::new(1, side);
        let mut store = CrashStore::new();
        let step = fixture.transition(fixture.busy_record(9, 4, 70));
        assert!(commit(&mut store, vec![step]).is_ok(), "the unchanged rows are written");
        assert!(matches!(store_read(&mut store, fixture.id()), Ok(true)), "and read");
        Self { id: fixture.id(), image: store.backup() }
    }
}

thread_local! {
    static SAMPLES: RefCell<[Sample; 2]> =
        RefCell::new([Sample::new(Side::One), Sample::new(Side::Two)]);
}

/// Changes some rows as the bytes say, then opens the journal.
///
/// # Panics
/// If the store or the core does.
pub fn rows(bytes: &[u8]) {
    let mut supply = Supply::new(bytes);
    let whose = usize::from(supply.below(2));
    SAMPLES.with_borrow(|samples| {
        let sample = &samples[whose];
        let mut image = sample.image.clone();
        for _ in 0..=supply.below(MAX_CHANGES) {
            change(&mut image, &mut supply);
        }
        let mut store = CrashStore::new();
        store.put_back(image.clone());
        let _ = store.channel_ids();
        let _ = store.guard_of(sample.id);
        let _ = store.history(sample.id);
        let _ = store_read(&mut store, sample.id);
        let _ = CrashStore::new().import(image);
    });
}

/// Whether there is a record; if so, a node starts with it.
fn store_read(store: &mut CrashStore, id: ChannelId) -> Result<bool, ()> {
    let Some(record) = recover(store, id).map_err(drop)? else { return Ok(false) };
    let channel = Channel::resume(record);
    let _ = channel.handle(Input::Started);
    Ok(true)
}

fn change(image: &mut Image, supply: &mut Supply<'_>) {
    let full = |table: &Table| image.scan(*table, &[]).is_ok_and(|rows| !rows.is_empty());
    let tables: Vec<Table> = Table::ALL.into_iter().filter(full).collect();
    let table = tables[usize::from(supply.byte()) % tables.len()];
    let rows: Vec<Row> = image.scan(table, &[]).unwrap_or_default();
    let (key, mut value) = rows[usize::from(supply.byte()) % rows.len()].clone();
    let mut set = WriteSet::default();
    let at = usize::from(supply.byte()) % value.len().max(1);
    match supply.below(8) {
        0 => {
            set.remove(table, key);
            let _ = image.apply(&set);
            return;
        }
        1 => value.truncate(at),
        2 => value.insert(at, supply.byte()),
        3 => value = (0..supply.below(40)).map(|_| supply.byte()).collect(),
        4 => {
            // The value of another row, of any table.
            let other = tables[usize::from(supply.byte()) % tables.len()];
            let others = image.scan(other, &[]).unwrap_or_default();
            let other = &others[usize::from(supply.byte()) % others.len()];
            value.clone_from(&other.1);
        }
        _ => {
            if let Some(byte) = value.get_mut(at) {
                *byte ^= supply.byte().max(1);
            }
        }
    }
    if set.put(table, key, value).is_ok() {
        let _ = image.apply(&set);
    }
}
