//! Random bytes for every parser of what comes from outside or from a disk.
//!
//! One program, because linking takes longer than running: the first byte of the input says which parser it is for.
//! None may panic, and what they take in must mean what it says: texts come out as they went in, and what two readers
//! both claim to know they must agree on.

#![no_main]

mod disk; // a segment in memory
mod entries; // canonical JSON, twice
mod packs; // evidence
mod formats; // C2SP
mod segments; // frames and batches

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&which, bytes)) = input.split_first() else { return };
    match which {
        b'n' => formats::note(bytes),
        b'c' => formats::checkpoint(bytes),
        b't' => formats::tile(bytes),
        b'b' => formats::bundle(bytes),
        b'r' => formats::receipt(bytes),
        b'p' => formats::policy(bytes),
        b'a' => formats::add_checkpoint(bytes),
        b'k' => formats::key(bytes),
        b'x' => formats::succession(bytes),
        b'w' => formats::cosigned(bytes),
        b'e' => entries::entry(bytes),
        b'E' => packs::pack(bytes),
        b's' => segments::plain(bytes),
        b'S' => segments::resealed(bytes),
        _ => {}
    }
});
