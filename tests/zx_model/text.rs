//! Values as words of text: for sequences that a person reads and a test replays, and
//! for what two processes tell each other.

/// A value that is one word, without spaces and commas, unless it is a list.
pub(crate) trait Word: Sized {
    fn put(&self, text: &mut String);
    /// `None` if the word is not such a value.
    fn take(word: &str) -> Option<Self>;
}

/// The value as a word.
pub(crate) fn word(value: &impl Word) -> String {
    let mut text = String::new();
    value.put(&mut text);
    text
}

/// Adds `name=value` after a space.
pub(crate) fn put_field(text: &mut String, name: &str, value: &impl Word) {
    text.push(' ');
    text.push_str(name);
    text.push('=');
    value.put(text);
}

/// Takes the value out of the next `name=value`.
pub(crate) fn take_field<'a, T: Word>(words: &mut impl Iterator<Item = &'a str>) -> Option<T> {
    T::take(words.next()?.split_once('=')?.1)
}

macro_rules! decimal {
    ($($type:ty)*) => {$(
        impl Word for $type {
            fn put(&self, text: &mut String) {
                text.push_str(&self.to_string());
            }

            fn take(word: &str) -> Option<Self> {
                word.parse().ok()
            }
        }
    )*};
}

decimal! { u8 u64 i32 i64 usize bool }

/// Masks, mostly: hexadecimal.
impl Word for u32 {
    fn put(&self, text: &mut String) {
        text.push_str(&format!("{self:#x}"));
    }

    fn take(word: &str) -> Option<Self> {
        Self::from_str_radix(word.strip_prefix("0x")?, 16).ok()
    }
}

impl<T: Word> Word for Option<T> {
    fn put(&self, text: &mut String) {
        match self {
            Some(value) => value.put(text),
            None => text.push_str("none"),
        }
    }

    fn take(word: &str) -> Option<Self> {
        match word {
            "none" => Some(None),
            word => T::take(word).map(Some),
        }
    }
}

/// `[a,b]`.
impl<T: Word> Word for Vec<T> {
    fn put(&self, text: &mut String) {
        text.push('[');
        for (index, value) in self.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            value.put(text);
        }
        text.push(']');
    }

    fn take(word: &str) -> Option<Self> {
        match word.strip_prefix('[')?.strip_suffix(']')? {
            "" => Some(Self::new()),
            inner => inner.split(',').map(T::take).collect(),
        }
    }
}

/// Bytes as hexadecimal digits after an `x`.
pub(crate) fn put_bytes(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.push('x');
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)].into());
        text.push(DIGITS[usize::from(byte & 15)].into());
    }
}

pub(crate) fn take_bytes(word: &str) -> Option<Vec<u8>> {
    let digits = word.strip_prefix('x')?.as_bytes();
    let digit = |d: u8| char::from(d).to_digit(16);
    digits
        .chunks(2)
        .map(|pair| Some((digit(pair[0])? << 4 | digit(*pair.get(1)?)?) as u8))
        .collect()
}
