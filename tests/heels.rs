//! A consumer on the heels of its producer: when it is, when it only seems to be, and what it does.

mod support;

use support::heap::Heap;
use zocket::protocol::{self, Reader, Writer};
use zocket::{Disposition, Error, Kind};

const CAPACITY: usize = 256 << 10;
/// Looks in a row after which a consumer may be on the heels of the producer, the first time.
const LOOKS: u64 = 8;
/// More bytes than those looks may show.
const MANY: usize = 8 * (4 << 10);

struct Ends<'a> {
    writer: Writer<&'a Heap>,
    reader: Reader<&'a Heap>,
}

impl<'a> Ends<'a> {
    fn new(heap: &'a Heap) -> Self {
        Self {
            writer: Writer::attach(heap, Kind::Stream, CAPACITY).unwrap(),
            reader: Reader::attach(heap, Kind::Stream, CAPACITY).unwrap(),
        }
    }

    fn write(&mut self, len: usize) {
        assert_eq!(self.writer.write(&vec![7; len]), Ok(len));
    }

    /// One more message of this size, read as soon as it is there. Says whether it was read at once.
    fn message(&mut self, len: usize) -> bool {
        self.write(len);
        self.reader.read_at_once(&mut vec![0; len]) == Some(len)
    }

    /// Reads single messages until one is not read at once, and says how many were.
    fn row(&mut self) -> u64 {
        let read = (0..).find(|_| !self.message(8)).unwrap();
        assert!(self.reader.is_on_heels());
        assert_eq!(self.reader.read_cheaply(&mut [0; 8]), None, "nor the next");
        read
    }
}

#[test]
fn short_looks_in_a_row_come_to_an_end() {
    let heap = Heap::new(CAPACITY);
    let mut ends = Ends::new(&heap);
    assert_eq!(ends.row(), LOOKS);
    // Nothing is lost by it.
    assert_eq!(ends.reader.read(&mut [0; 16]), Ok(8));
}

#[test]
fn writing_that_is_disabled_and_enabled_meanwhile_changes_nothing() {
    let heap = Heap::new(CAPACITY);
    let mut ends = Ends::new(&heap);
    assert_eq!(ends.row(), LOOKS);
    assert_eq!(ends.reader.read(&mut [0; 16]), Ok(8));
    for disposition in [Disposition::WriteDisabled, Disposition::WriteEnabled] {
        protocol::set_disposition(&&heap, &&heap, disposition, Disposition::Unchanged).unwrap();
        let end = ends.reader.read(&mut [0]).unwrap_err();
        let expected = match disposition {
            Disposition::WriteDisabled => Error::WriteDisabled,
            _ => Error::WouldBlock,
        };
        assert_eq!(end, expected);
    }
    assert!(ends.reader.is_on_heels());
    assert!(!ends.message(8));
    assert!(!ends.reader.producer_is_writing(|| {}));
    assert_eq!(ends.reader.read_cheaply(&mut [0; 8]), Some(8));
}

#[test]
fn a_look_that_finds_nothing_starts_a_new_row() {
    let heap = Heap::new(CAPACITY);
    let mut ends = Ends::new(&heap);
    for _ in 0..10 * LOOKS {
        assert!(ends.message(8));
        assert_eq!(ends.reader.read_cheaply(&mut [0; 8]), None);
        assert!(ends.reader.is_idle());
    }
}

#[test]
fn long_looks_are_no_short_ones() {
    let heap = Heap::new(CAPACITY);
    let mut ends = Ends::new(&heap);
    for _ in 0..10 * LOOKS {
        // The first byte has the reader look, the others are known then.
        ends.write(MANY / LOOKS as usize);
        let first = ends.reader.read_cheaply(&mut [0]);
        // At the end of the area it does not come cheaply.
        assert_eq!(first.map_or_else(|| ends.reader.read(&mut [0]), Ok), Ok(1));
        let rest = MANY / LOOKS as usize - 1;
        assert_eq!(ends.reader.read(&mut vec![0; rest]), Ok(rest));
    }
    assert!(!ends.reader.is_on_heels());
}

#[test]
fn rows_become_longer_while_nobody_writes_meanwhile() {
    let heap = Heap::new(CAPACITY);
    let mut ends = Ends::new(&heap);
    for doubled in [1, 2, 4, 8, 16] {
        assert_eq!(ends.row(), doubled * LOOKS);
        assert!(!ends.reader.producer_is_writing(|| {}));
        // Looks go on as before.
        assert_eq!(ends.reader.read_cheaply(&mut [0; 8]), Some(8));
        // Which was one look.
        assert!(ends.reader.read_cheaply(&mut [0; 8]).is_none() && ends.reader.is_idle());
    }
}

#[test]
fn one_short_look_is_enough_while_somebody_writes() {
    let heap = Heap::new(CAPACITY);
    let mut ends = Ends::new(&heap);
    assert_eq!(ends.row(), LOOKS);
    for _ in 0..3 {
        let writer = &mut ends.writer;
        assert!(
            ends.reader
                .producer_is_writing(|| assert!(writer.write_at_once(&[7; 8])))
        );
        assert_eq!(
            ends.reader.read(&mut [0; 64]),
            Ok(16),
            "what came meanwhile"
        );
        assert_eq!(ends.row(), 1);
    }
}
