//! Differences in words.

use super::Difference;
use crate::answers::{Answer, Out};

/// More of an answer is not printed.
const LONGEST: usize = 400;

/// The beginning of an answer.
pub(super) fn short(answer: &Answer) -> String {
    let mut text = format!("{answer:?}");
    if text.len() > LONGEST {
        text.truncate(LONGEST);
        text.push_str("...");
    }
    text
}

pub(super) fn differ(expected: &Answer, got: &Answer) -> Difference {
    let bytes = match (&expected.out, &got.out) {
        (Out::Bytes(a), Out::Bytes(b)) => {
            let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
            format!(
                "\n{} and {} bytes, the first {same} the same",
                a.len(),
                b.len()
            )
        }
        _ => String::new(),
    };
    let (expected, got) = (short(expected), short(got));
    format!("expected {expected}\n     got {got}{bytes}")
}
