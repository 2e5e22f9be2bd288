//! How cost grows: one plot for each thing that it could grow with.

mod capacity;
mod crowd;
mod endpoints;
mod message_size;
mod pace;
mod plot;
mod registrations;
mod total_bytes;
mod wait_many;
mod waiting;

use anyhow::{Context, Result};

use crate::machine;
use crate::results::Series;
use pace::Pace;

/// Measures all of it.
pub(crate) fn measure(quick: bool) -> Result<Vec<Series>> {
    machine::allow_descriptors()?;
    let pace = if quick { Pace::QUICK } else { Pace::FULL };
    let mut all = capacity::measure(&pace).context("capacity")?;
    all.extend(message_size::measure(&pace).context("message size")?);
    all.push(endpoints::measure(&pace).context("endpoints")?);
    all.push(registrations::measure(&pace).context("registrations")?);
    all.push(wait_many::measure(&pace).context("wait many")?);
    all.push(total_bytes::measure(&pace).context("total bytes")?);
    Ok(all)
}
