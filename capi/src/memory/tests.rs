use std::ptr::{null, null_mut};

use super::*;

fn bytes(of: &[u8]) -> Bytes {
    // SAFETY: a slice is readable for its length, and the tests keep it alive.
    unsafe { Bytes::new(of.as_ptr().cast(), of.len()) }
}

fn bytes_mut(of: &mut [u8]) -> BytesMut {
    // SAFETY: a slice is writable for its length, and the tests keep it alive.
    unsafe { BytesMut::new(of.as_mut_ptr().cast(), of.len()) }
}

#[test]
fn bytes_are_fetched_from_an_offset() {
    let mut copy = [0; 3];
    assert_eq!(bytes(b"abcdef").fetch(2, &mut copy), Ok(()));
    assert_eq!(&copy, b"cde");
}

#[test]
fn bytes_are_stored_at_an_offset() {
    let mut memory = *b"......";
    assert_eq!(bytes_mut(&mut memory).store(4, b"xy"), Ok(()));
    assert_eq!(&memory, b"....xy");
}

#[test]
fn range_beyond_the_end_is_a_bad_address() {
    let mut copy = [0; 3];
    assert_eq!(bytes(b"abcdef").fetch(4, &mut copy), Err(BadAddress));
    assert_eq!(
        bytes(b"abcdef").fetch(usize::MAX, &mut copy),
        Err(BadAddress)
    );
    assert_eq!(copy, [0; 3]);
    let mut memory = *b"......";
    assert_eq!(bytes_mut(&mut memory).store(5, b"xy"), Err(BadAddress));
    assert_eq!(&memory, b"......");
}

#[test]
fn null_is_a_bad_address_unless_nothing_is_copied() {
    // SAFETY: null is allowed.
    let nothing = unsafe { Bytes::new(null(), 8) };
    assert!(nothing.is_null());
    assert_eq!(nothing.fetch(0, &mut [0; 8]), Err(BadAddress));
    assert_eq!(nothing.fetch(0, &mut []), Ok(()));
    // SAFETY: null is allowed.
    let nowhere = unsafe { Out::<u32>::new(null_mut()) };
    assert_eq!(nowhere.put(1), Err(Status::INVALID_ARGS));
    assert_eq!(nowhere.put_unless_null(1), Ok(()));
}

#[test]
fn values_need_no_alignment() {
    let mut memory = [0_u8; 13];
    let odd = memory.as_mut_ptr().wrapping_add(1).cast::<u32>();
    // SAFETY: 12 bytes follow the first.
    let out = unsafe { Out::array(odd, 3) };
    assert_eq!(out.put_all(&[10, 20, 30, 40]), Err(Status::INVALID_ARGS));
    assert_eq!(out.put_all(&[10, 20, 30]), Ok(()));
    // SAFETY: as above.
    let values = unsafe { In::new(odd.cast_const(), 3) };
    let mut copy = [0; 2];
    assert_eq!(values.get_all(2, &mut copy), Err(BadAddress));
    assert_eq!(values.get_all(1, &mut copy), Ok(()));
    assert_eq!((values.get(), copy), (Ok(10), [20, 30]));
    assert_eq!(memory[0], 0);
}

#[test]
fn count_too_large_for_the_address_space_is_a_bad_address() {
    let value = 7_u32;
    // SAFETY: never followed, as the sizes do not fit.
    let values = unsafe { In::new(&raw const value, usize::MAX) };
    assert_eq!(values.get(), Err(BadAddress));
}
