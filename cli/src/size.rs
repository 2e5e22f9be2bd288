//! Sizes on command lines.

use bytesize::ByteSize;

/// Parses a size, and refuses those out of range.
pub(crate) fn size_within(
    least: u64,
    most: u64,
) -> impl Fn(&str) -> Result<ByteSize, String> + Clone + Send + Sync + 'static {
    move |text| match text.parse::<ByteSize>()? {
        size if (least..=most).contains(&size.0) => Ok(size),
        _ => Err(format!(
            "not between {} and {}",
            ByteSize(least),
            ByteSize(most)
        )),
    }
}
