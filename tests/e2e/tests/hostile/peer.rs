//! Every way in which a peer can misbehave, against the network side of a node in a process of its own, while
//! a friend of that node asks it one question after the other.
//!
//! `HOSTILE_CONNECTIONS=10000` makes the crowd larger.

use std::time::Duration;

use lockstep_e2e::hostile::attack::{
    ALL, Attacker, greeting, name_lengths, session, transport, went_on,
};
use lockstep_e2e::hostile::greeting::{Lie, greet};
use lockstep_e2e::hostile::identity::Identity;
use lockstep_e2e::hostile::link::{ATTENTION, Link};
use lockstep_e2e::hostile::message::{every_absurdity, every_kind};
use lockstep_e2e::p2p_node::P2pNode;
use lockstep_e2e::process::{busy_millis, open_files};
use lockstep_e2e::{PATIENCE, soon};
use lockstep_p2p::limits::Limits;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::scene::{HOLD, PROGRAM, Scene};

const MIB: u64 = 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p60_no_length_that_a_peer_names_is_allocated() {
    let scene = Scene::start(&[]).await;
    let mut numbers = 0..;
    name_lengths(|| scene.attacker(numbers.next().unwrap()), &scene.aim).await;
    assert!(scene.taken() < 16 * MIB, "{} MiB", scene.taken() / MIB);
    scene.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p61_one_address_gets_few_connections_and_all_strangers_together_not_many() {
    let mut scene = Scene::start(&[]).await;
    let limits = Limits::default().connections;
    let mut held = Vec::new();
    // Ten each from twelve places: more than one place and more than all strangers may have.
    for number in 0..120 {
        let by = Attacker { from: scene.attacker(number / 10).from, ..scene.attacker(number) };
        held.extend(by.link(&scene.aim).await);
        let kept = scene.victim.kept().await;
        assert!(kept.strangers <= limits.strangers, "{kept:?}");
        assert!(kept.strangers <= (held.len() / 10 + 1) * limits.strangers_per_ip, "{kept:?}");
    }
    let kept = scene.victim.kept().await;
    assert_eq!(kept.strangers, limits.strangers);
    // The victim has not noticed by then that they do nothing: a contact comes in all the same.
    let mut contact = P2pNode::start(PROGRAM, &[], 3, &[]).await;
    scene.victim.register(&contact.identity()).await;
    let met = contact.connect(&scene.victim, scene.victim.addresses()).await;
    assert_eq!(met.as_deref(), Ok("direct"));
    drop((held, contact));
    scene.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p61_connections_that_never_show_who_they_are_do_not_keep_contacts_out() {
    let mut scene = Scene::start(&[]).await;
    let limits = Limits::default().connections;
    let mut crowd = JoinSet::new();
    for number in 0..150 {
        let (by, aim) = (Attacker::new(number, PATIENCE), scene.aim.clone());
        crowd.spawn(async move { transport::silence(&by, &aim).await });
    }
    scene.victim.settles(|kept| kept.pending_inbound == limits.pending_inbound).await;
    let mut contact = P2pNode::start(PROGRAM, &[], 3, &[]).await;
    scene.victim.register(&contact.identity()).await;
    let met = contact.connect(&scene.victim, scene.victim.addresses()).await;
    assert_eq!(met.as_deref(), Ok("direct"));
    drop((crowd, contact));
    scene.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p61_streams_by_the_thousand_cost_an_attacker_its_connection_and_nobody_else_anything() {
    let scene = Scene::start(&[]).await;
    let mut floods = JoinSet::new();
    for number in 0..8 {
        let (by, aim) = (scene.attacker(number), scene.aim.clone());
        floods.spawn(async move {
            match by.number % 3 {
                0 => transport::stream_flood(&by, &aim).await,
                1 => transport::protocols(&by, &aim).await,
                _ => transport::ping_flood(&by, &aim).await,
            }
        });
    }
    while floods.join_next().await.is_some() {}
    assert!(scene.taken() < 64 * MIB, "{} MiB", scene.taken() / MIB);
    scene.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p62_a_contact_that_begins_session_after_session_gets_few() {
    let mut scene = Scene::start(&[]).await;
    let hostile = scene.attacker(1);
    scene.victim.register(&hostile.identity).await;
    let began = Instant::now();
    let (made, _) = greeting::sessions(&hostile, &scene.aim).await;
    // Sixteen at once, and one a second after that.
    let most = 16 + began.elapsed().as_secs() + 1;
    assert!((16..=most).contains(&u64::from(made)), "{made} sessions");
    scene.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p62_a_stranger_that_begins_session_after_session_loses_its_connection() {
    let scene = Scene::start(&[]).await;
    for number in 0..4 {
        let by = Attacker::new(number, PATIENCE);
        let began = Instant::now();
        let (made, ended) = greeting::sessions(&by, &scene.aim).await;
        assert!(!went_on(&ended), "it goes on after {made} sessions");
        // Four at once, and one a second after that.
        let most = 4 + began.elapsed().as_secs() + 1;
        assert!((4..=most).contains(&u64::from(made)), "{made} sessions");
    }
    scene.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p62_strangers_that_flood_are_not_read_and_cost_little() {
    let mut scene = Scene::start(&[]).await;
    // A friend's questions cost, too.
    scene.friend.hush().await;
    let (began, busy) = (Instant::now(), busy_millis(scene.victim.pid()).unwrap());
    let mut floods = JoinSet::new();
    for number in 0..32 {
        let (by, aim) = (scene.attacker(number), scene.aim.clone());
        floods.spawn(async move {
            match by.number % 8 {
                0 => session::chatter(&by, &aim).await,
                1 => session::queries(&by, &aim).await,
                2 => session::offers(&by, &aim).await,
                3 => session::meddling(&by, &aim).await,
                4 => session::proposals(&by, &aim).await,
                5 => session::reestablishing(&by, &aim).await,
                6 => session::intents(&by, &aim).await,
                _ => greeting::sessions(&by, &aim).await.1,
            }
        });
    }
    while floods.join_next().await.is_some() {}
    let busy = busy_millis(scene.victim.pid()).unwrap() - busy;
    let elapsed = u64::try_from(began.elapsed().as_millis()).unwrap();
    println!("{busy} ms of {elapsed}");
    assert!(busy < elapsed / 4, "{busy} ms of {elapsed}");
    // Its friend is still there, and gets its answer.
    scene.friend.talk(&scene.victim).await;
    let talked = scene.friend.hush().await;
    assert_eq!(talked.breaks, 0, "{talked:?}");
    scene.left_alone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p64_windows_that_are_filled_a_byte_at_a_time_take_no_more_than_full_ones() {
    let scene = Scene::start(&[]).await;
    let by = Attacker::new(1, Duration::from_secs(15));
    let tiny = transport::tiny_frames(&by, &scene.aim).await;
    assert!(!went_on(&tiny), "{tiny:?}");
    // Seven eighths of them, and what is kept of a frame beside its bytes.
    assert!(scene.taken() < 8 * MIB, "{} MiB", scene.taken() / MIB);
    drop(transport::full_windows(&scene.attacker(2), &scene.aim).await);
    assert!(scene.taken() < 24 * MIB, "{} MiB", scene.taken() / MIB);
    scene.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p64_addresses_that_strangers_make_up_are_not_kept() {
    let scene = Scene::start(&[]).await;
    let mut crowd = JoinSet::new();
    for number in 0..8 {
        let (by, aim) = (scene.attacker(number), scene.aim.clone());
        crowd.spawn(async move { transport::identification(&by, &aim).await.0 });
    }
    let mut pushed = 0;
    while let Some(ended) = crowd.join_next().await {
        pushed += ended.unwrap();
    }
    println!("{pushed} addresses, {} KiB taken", scene.taken() / 1024);
    assert!(pushed > 1_000, "{pushed}");
    assert!(scene.taken() < 8 * MIB, "{} MiB for {pushed} addresses", scene.taken() / MIB);
    scene.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p64_a_crowd_that_does_everything_at_once_takes_what_the_formula_says() {
    let mut scene = Scene::start(&[]).await;
    let count = crowd_size();
    let limits = Limits::default();
    let before = open_files(scene.victim.pid()).unwrap();
    let (mut crowd, mut files, mut number) = (JoinSet::new(), 0, 0);
    while number < count || !crowd.is_empty() {
        while number < count && crowd.len() < 100 {
            let by = Attacker::new(number, Duration::from_secs(1));
            let attack = ALL[usize::try_from(number).unwrap() % ALL.len()];
            let aim = scene.aim.clone();
            // What becomes of it, the victim tells.
            crowd.spawn(async move { drop(attack.run(&by, &aim).await) });
            number += 1;
        }
        crowd.join_next().await.unwrap().unwrap();
        files = files.max(open_files(scene.victim.pid()).unwrap().saturating_sub(before));
    }
    let ceiling = u64::try_from(limits.stranger_ceiling_bytes(2)).unwrap();
    let (taken, kept) = (scene.taken(), scene.victim.kept().await);
    println!("{count} hostile: {files} files, {} of {} MiB, {kept:?}", taken / MIB, ceiling / MIB);
    // One that has just been accepted is open before it is refused.
    let most = limits.connections.strangers + limits.connections.pending_inbound + 32;
    assert!(files <= most, "{files} files");
    assert!(taken <= ceiling, "{taken} of {ceiling} bytes");
    scene.undisturbed().await;
}

/// How many hostile connections are made.
pub fn crowd_size() -> u32 {
    std::env::var("HOSTILE_CONNECTIONS").map_or(1_000, |count| count.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p65_whoever_never_ends_what_it_begins_is_given_up() {
    let scene = Scene::start(&["--hurry"]).await;
    let mut slow = JoinSet::new();
    for number in 0..7 {
        let (by, aim) = (Attacker::new(number, PATIENCE), scene.aim.clone());
        slow.spawn(async move {
            let ended = match number {
                0 => transport::silence(&by, &aim).await,
                1 => transport::trickle(&by, &aim).await,
                2 => transport::idleness(&by, &aim).await,
                3 => greeting::half(&by, &aim).await,
                4 => session::endless_frame(&by, &aim).await,
                5 => transport::full_windows(&by, &aim).await,
                _ => session::silence(&by, &aim).await,
            };
            (number, ended)
        });
    }
    while let Some(ended) = soon(slow.join_next()).await {
        let (number, ended) = ended.unwrap();
        println!("{number} ended with {ended:?}");
        assert!(!went_on(&ended), "{number} could go on");
    }
    scene.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p65_a_stranger_does_not_stay_whatever_it_does() {
    let scene = Scene::start(&["--hurry-strangers"]).await;
    let mut guests = JoinSet::new();
    for number in 0..3 {
        let (by, aim) = (Attacker::new(number, PATIENCE), scene.aim.clone());
        guests.spawn(async move {
            let ended = match number {
                0 => session::deafness(&by, &aim).await,
                1 => session::chatter(&by, &aim).await,
                _ => session::silence(&by, &aim).await,
            };
            (number, ended)
        });
    }
    while let Some(ended) = soon(guests.join_next()).await {
        let (number, ended) = ended.unwrap();
        assert!(!went_on(&ended), "{number} could go on");
    }
    scene.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p66_a_contact_that_is_not_attended_to_waits_and_others_do_not() {
    let mut scene = Scene::start(&[]).await;
    let mut crowd = JoinSet::new();
    for number in 0..4 {
        let by = scene.attacker(number);
        scene.victim.register(&by.identity).await;
        let aim = scene.aim.clone();
        crowd.spawn(async move {
            match number {
                0 => session::deafness(&by, &aim).await,
                1 => session::intents(&by, &aim).await,
                2 => session::meddling(&by, &aim).await,
                _ => session::reestablishing(&by, &aim).await,
            }
        });
    }
    while crowd.join_next().await.is_some() {}
    let session = Limits::default();
    let rooms = u64::from(session.inbound_room_bytes + session.outbound_room_bytes);
    assert!(scene.taken() < 4 * rooms + 64 * MIB, "{} MiB", scene.taken() / MIB);
    scene.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p67_frames_that_mean_nothing_end_the_session() {
    let scene = Scene::start(&[]).await;
    let count = u32::try_from(every_absurdity().len()).unwrap();
    for number in 0..count {
        session::absurdities(&scene.attacker(number), &scene.aim).await.unwrap();
        session::noise(&scene.attacker(1_000 + number), &scene.aim).await.unwrap();
    }
    scene.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p67_messages_that_mean_something_do_not() {
    let scene = Scene::start(&[]).await;
    let by = scene.attacker(1);
    let (_link, mut talk) = by.session(&scene.aim).await.unwrap();
    let channel = lockstep_core::ids::ChannelId(lockstep_e2e::hostile::message::fresh(1));
    let said = every_kind(channel, scene.aim.domain, 1).concat();
    talk.say(&said).await.unwrap();
    assert!(talk.until_ended(Duration::from_secs(2)).await.is_err(), "the session is over");
    drop(talk);
    scene.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p68_no_lie_in_a_handshake_is_believed_and_none_takes_a_friends_place() {
    let scene = Scene::start(&[]).await;
    for number in 0..10 {
        greeting::lies(&scene.attacker(100 * number), &scene.aim).await.unwrap();
        let replayed = greeting::replay(&scene.attacker(100 * number + 50), &scene.aim).await;
        assert!(replayed.is_ok(), "{replayed:?}");
    }
    // Its node key is real, but the victim knows it behind another peer id.
    let thief = scene.attacker(2_000);
    let stolen = thief.identity.with_node_key_of(greeting::FRIEND);
    let link = Link::new(thief.from, &stolen, &scene.aim).await.unwrap();
    let mut talk = greet(&link, &stolen, &scene.aim, Lie::None).await.unwrap();
    talk.until_ended(ATTENTION).await.unwrap();
    scene.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p69_no_other_version_and_no_fewer_features_are_taken() {
    let scene = Scene::start(&[]).await;
    let lies = [Lie::Version(0), Lie::Version(2), Lie::UnknownFeature, Lie::Features];
    for (number, lie) in (0..).zip(lies) {
        let by = scene.attacker(number);
        let link = by.link(&scene.aim).await.unwrap();
        assert!(greet(&link, &by.identity, &scene.aim, lie).await.is_err(), "{lie:?}");
    }
    let by = scene.attacker(100);
    let link = by.link(&scene.aim).await.unwrap();
    assert!(link.open_as("/lockstep/channel/0").await.is_err());
    assert!(greet(&link, &Identity::new(by.number), &scene.aim, Lie::None).await.is_ok());
    drop(link);
    scene.undisturbed().await;
}

/// Attacks that go on for [`HOLD`] each leave a friend the time to ask.
const _: () = assert!(HOLD.as_secs() >= 2);
