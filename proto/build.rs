//! Compiles the schemas with a compiler written in Rust, so that no `protoc` has to be installed.

use std::error::Error;

const SCHEMAS: [&str; 4] = [
    "lockstep/v1/channel.proto",
    "lockstep/v1/peer.proto",
    "lockstep/v1/record.proto",
    "lockstep/v1/tower.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    for schema in SCHEMAS {
        println!("cargo::rerun-if-changed={schema}");
    }
    let descriptors = protox::compile(SCHEMAS, ["."])?;
    // Maps would be iterated in hash order; a repeated field keeps the order that was written.
    prost_build::Config::new().btree_map(["."]).compile_fds(descriptors)?;
    Ok(())
}
