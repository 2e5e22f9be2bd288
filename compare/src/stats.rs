//! What is made of the values of several rounds.

use statrs::statistics::{Data, Max, Min, OrderStatistics};

/// The median of some values, and the range of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// None of no values.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let mut data = Data::new(values.to_vec());
        Some(Self {
            least: data.min(),
            median: data.median(),
            most: data.max(),
        })
    }
}

/// What a share of the values does not exceed; 0 if there are none.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    Data::new(values.to_vec()).quantile(share)
}

/// The ratio in each round. What disturbs the machine for longer than a round disturbs both.
pub(crate) fn ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    ours.iter().zip(theirs).map(|(a, b)| a / b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_the_median_and_the_range() {
        let spread = Spread::of(&[5.0, 1.0, 9.0]).unwrap();
        let expected = Spread {
            least: 1.0,
            median: 5.0,
            most: 9.0,
        };
        assert_eq!(spread, expected);
        assert_eq!(Spread::of(&[1.0, 2.0]).unwrap().median, 1.5);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn quantile_of_many_values_leaves_its_share_below() {
        let values: Vec<f64> = (1..=1000).map(f64::from).collect();
        assert!((quantile(&values, 0.99) - 990.0).abs() < 1.0);
        assert!((quantile(&values, 0.999) - 999.0).abs() < 1.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // Both are slower by half in the second round, which leaves the ratio alone.
        let ratios = ratios(&[2.0, 3.0, 2.0], &[4.0, 6.0, 4.0]);
        assert_eq!(ratios, [0.5; 3]);
    }
}
