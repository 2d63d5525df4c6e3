//! Searches each size to the end and prints its line of `docs/spec/model.md`: `lockstep-model [small|large]`.

use lockstep_model::size;
use stateright::{Checker, Model};

fn main() {
    let is_large = std::env::args().nth(1).is_some_and(|size| size == "large");
    let mut failed = false;
    for size in size::all() {
        let size = if is_large { size.enlarged() } else { size };
        let checker = size.plan.clone().checker().threads(2).spawn_bfs().join();
        let violated: Vec<_> =
            checker.discoveries().into_keys().filter(|name| name.starts_with('p')).collect();
        println!("{}", size.row(checker.unique_state_count()));
        eprintln!("{}: {} steps, violated {violated:?}", size.name, checker.state_count());
        failed |= !violated.is_empty();
    }
    assert!(!failed, "a property is violated");
}
