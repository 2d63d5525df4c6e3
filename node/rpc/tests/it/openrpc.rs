//! The document in the repository is the one that the code makes.

use crate::fake::Host;
use crate::http::call;
use serde_json::json;
use std::fs;
use std::path::Path;

#[test]
fn the_committed_document_is_the_one_that_the_code_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rpc/openrpc.json");
    let made = serde_json::to_string_pretty(&lockstep_rpc::openrpc::document()).unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &made).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "docs/rpc/openrpc.json is old: run the tests with UPDATE=1");
}

#[tokio::test]
async fn a_node_describes_itself() {
    let host = Host::start().await;
    let answer = call(host.server.address(), &host.read, "rpc.discover", json!([])).await;
    assert_eq!(answer["result"], lockstep_rpc::openrpc::document());
}
