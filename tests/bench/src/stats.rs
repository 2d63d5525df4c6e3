//! Middle and spread of some measurements.

use serde_json::{Value, json};

/// Several measurements of one thing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// From measurements in any order.
    #[must_use]
    pub fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value below which this part of all lies, by the nearest rank; 0 if nothing was measured.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    pub fn at(&self, part: f64) -> f64 {
        let rank = (part * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.max(1) - 1).copied().unwrap_or(0.0)
    }

    /// The middle.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.at(0.5)
    }

    /// The least.
    #[must_use]
    pub fn min(&self) -> f64 {
        self.0.first().copied().unwrap_or(0.0)
    }

    /// The greatest.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.0.last().copied().unwrap_or(0.0)
    }

    /// Median and spread, for the file of results.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"median": self.median(), "min": self.min(), "max": self.max(), "runs": self.len()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_sorted_values() {
        let sample = Sample::new(vec![5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!((sample.min(), sample.median(), sample.max()), (1.0, 3.0, 5.0));
        assert_eq!((sample.at(0.0), sample.at(0.99), sample.at(1.0)), (1.0, 5.0, 5.0));
    }

    #[test]
    fn nothing_measured_is_zero() {
        assert_eq!(Sample::default().median(), 0.0);
    }
}
