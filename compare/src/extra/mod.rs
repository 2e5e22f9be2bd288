//! What else there is to know of a transport: what it costs while nothing happens, what waiting
//! for much costs, what a pair costs.

mod creation;
mod idle;
mod memory;
mod proc;
mod threshold;
mod ways;

use anyhow::{Context, Result};

pub(crate) use creation::hold_pairs;
pub(crate) use ways::serve;

use crate::machine;
use crate::results::Fact;

/// Measures all of it.
pub(crate) fn measure(quick: bool) -> Result<Vec<Fact>> {
    machine::allow_descriptors()?;
    let mut facts = idle::measure(quick).context("idle")?;
    facts.extend(threshold::measure(quick).context("threshold")?);
    facts.extend(creation::measure(quick).context("creation")?);
    Ok(facts)
}

/// Something measured, in each round.
fn fact(topic: &str, subject: &str, what: impl Into<String>, unit: &str, values: Vec<f64>) -> Fact {
    Fact {
        topic: topic.into(),
        subject: subject.into(),
        what: what.into(),
        unit: unit.into(),
        values,
    }
}
