//! What is kept about towers comes back as it was, also through a restart.

use alloy_primitives::{Address, B256};
use lockstep_core::{
    exposure::Floor,
    ids::{Digest, NodeId, Side, Version},
    money::{Amount, Gain},
    receipt::{Receipt, SignedReceipt},
    time::BlockTimestamp,
};
use lockstep_store::{
    table::Table,
    tower::{self, StoredReceipt, StoredTower, Towers},
    write_set::WriteSet,
};

use crate::scene::{Scene, channel};

const TOWER: NodeId = NodeId([2; 33]);

fn content() -> Towers {
    let ours = channel(1);
    let receipt = Receipt {
        tower: Address::repeat_byte(7),
        channel_id: ours.id(),
        version: Version(9),
        state_hash: Digest(B256::repeat_byte(4)),
        valid_from: BlockTimestamp(5),
        valid_until: BlockTimestamp(u64::MAX),
        min_window: 60,
        insured: Amount::MAX,
        beneficiary: Address::repeat_byte(8),
        withdraw_version: Version(3),
    };
    let signature = ours.sign(Side::Two, ours.digest(1, 0));
    let signed = SignedReceipt { receipt, signature };
    let address = "lockstep-tower:of a friend".to_owned();
    Towers {
        towers: vec![StoredTower { key: TOWER, address, added_at_secs: 77 }],
        receipts: vec![StoredReceipt { tower: TOWER, signed }],
        floors: vec![(ours.id(), Floor { through: Version(12), least: Gain::new(-5).unwrap() })],
    }
}

fn written(content: &Towers) -> WriteSet {
    let mut set = WriteSet::default();
    content.towers.iter().for_each(|tower| set.put_tower(tower).unwrap());
    content.receipts.iter().for_each(|receipt| set.put_receipt(receipt).unwrap());
    content.floors.iter().for_each(|(id, floor)| set.put_floor(*id, *floor).unwrap());
    set
}

#[test]
fn p74_what_towers_promised_survives_a_restart() {
    let scene = Scene::new();
    let mut journal = scene.open();
    journal.engine_mut().write(&written(&content())).unwrap();
    drop(journal);
    let journal = scene.open();
    assert_eq!(tower::all(journal.engine()).unwrap(), content());
}

#[test]
fn a_tower_that_is_removed_leaves_its_receipts_as_evidence() {
    let scene = Scene::new();
    let mut journal = scene.open();
    journal.engine_mut().write(&written(&content())).unwrap();
    let mut set = WriteSet::default();
    set.remove_tower(TOWER);
    journal.engine_mut().write(&set).unwrap();
    assert_eq!(tower::all(journal.engine()).unwrap(), Towers { towers: vec![], ..content() });
    let mut set = WriteSet::default();
    set.remove_receipt(channel(1).id(), TOWER);
    journal.engine_mut().write(&set).unwrap();
    assert_eq!(tower::all(journal.engine()).unwrap().receipts, vec![]);
}

#[test]
fn a_row_that_says_something_else_than_its_name_is_refused() {
    for key in [vec![], vec![9], vec![0, 1], vec![1; 66], vec![2; 33]] {
        let scene = Scene::new();
        let mut journal = scene.open();
        let mut set = written(&content());
        set.put(Table::Tower, key.clone(), vec![0xff]).unwrap();
        if journal.engine_mut().write(&set).is_ok() {
            assert!(tower::all(journal.engine()).is_err(), "{key:?}");
        }
    }
}
