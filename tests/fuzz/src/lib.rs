//! Bytes from strangers, and sequences of inputs, against everything that reads them.
//!
//! Each target is a function of bytes that must neither panic nor break what it asserts. The tests replay
//! the committed corpora, bend them, and feed random bytes; the binary goes on with that for as long as one
//! likes. Protobufs are bent as trees ([`wire`]), so that the damage is inside and not in a length.
//!
//! In reading order: [`target`], [`decode`], [`rows`], [`tower`], [`marks`], [`inputs`]; [`supply`], [`bend`], [`wire`], [`invite`];
//! [`corpus`], [`hunt`].

pub mod bend;
pub mod corpus;
pub mod decode;
pub mod hunt;
pub mod inputs;
pub mod invite;
pub mod marks;
pub mod rows;
pub mod supply;
pub mod target;
pub mod tower;
pub mod wire;
