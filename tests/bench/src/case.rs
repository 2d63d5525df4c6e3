//! The cases, one file each. Each measures, checks every sum, and says what came of it in JSON.

pub mod channels;
pub mod gas;
pub mod idle;
pub mod latency;
pub mod one_channel;
pub mod simulator;

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::floor::Floor;
use crate::setting::Setting;
use crate::stats::Sample;

/// A case and what it is called on the command line.
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// What it measures, for people.
    pub what: &'static str,
    run: fn(&Setting, &Floor) -> Result<Value>,
}

/// All of them, in the order of the page.
pub const ALL: [Case; 8] = [
    Case { name: "one-way", what: "one channel, one way", run: one_channel::one_way },
    Case { name: "both-ways", what: "one channel, both ways", run: one_channel::both_ways },
    Case { name: "distance", what: "one channel over long lines", run: one_channel::distance },
    Case { name: "channels", what: "many channels", run: channels::run },
    Case { name: "latency", what: "a single payment", run: latency::run },
    Case { name: "idle", what: "10,000 idle channels", run: idle::run },
    Case { name: "simulator", what: "the simulator", run: simulator::run },
    Case { name: "gas", what: "gas of the contract", run: gas::run },
];

impl Case {
    /// Measures the machine, runs the case, measures the machine again, and says all of it.
    ///
    /// # Errors
    /// If anything is not as it must be.
    pub fn run(&self, setting: &Setting) -> Result<Value> {
        let before = Floor::measure(&setting.folder, setting.is_quick)?;
        let mut result = (self.run)(setting, &before)?;
        let after = Floor::measure(&setting.folder, setting.is_quick)?;
        if let Some(fields) = result.as_object_mut() {
            fields.insert("floor".to_owned(), before.best(after).to_json());
        }
        Ok(result)
    }
}

/// A figure with its spread, for the file of results.
fn figure(values: Vec<f64>) -> Value {
    Sample::new(values).to_json()
}

/// Figures by what was varied, in order.
fn series(points: Vec<(f64, Value)>) -> Value {
    points.into_iter().map(|(at, value)| json!({"at": at, "value": value})).collect()
}

/// One object of several.
fn object(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Object(
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>(),
    )
}
