//! Hostile peers and cut links, against processes of our own. `peer` has the network side of a node alone,
//! `siege` and `breach` a whole node that is
//! paid all the while, `relay` machines with nothing but links between them.
#![allow(unreachable_pub)]

mod breach;
mod peer;
mod relay;
mod scene;
mod siege;
