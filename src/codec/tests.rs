//! Each built-in codec against round trips, other bytes than its own, and the limit; then chains.

use super::*;
use crate::error::ErrorKind;
use std::path::Path;

const LIMIT_BYTES: u64 = 1 << 20;

/// Every built-in codec of this build, with its lowest, default and highest level.
fn codecs() -> Vec<Codec> {
    let levels: &[(Builtin, &[i32])] = &[
        (Builtin::Deflate, &[1, 0, 9]),
        #[cfg(feature = "zstd")]
        (Builtin::Zstd, &[-7, 0, 22]),
        (Builtin::Lz4, &[0]),
        (Builtin::Snappy, &[0]),
    ];
    let codec = |(kind, levels): &(Builtin, &[i32])| {
        levels.iter().map(|level| Codec::builtin(*kind, *level).unwrap()).collect::<Vec<_>>()
    };
    levels.iter().flat_map(codec).collect()
}

/// The same pseudo-random numbers on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next()).unwrap() % bound
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

/// Payloads of many sizes: all the same byte, text, noise, noise and text by turns.
fn payloads() -> Vec<Vec<u8>> {
    let mut random = Random(1);
    let mut payloads = vec![vec![], vec![0], b"hello world".to_vec()];
    for size in [2, 63, 1000, 4096, 16 << 10, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 300_000] {
        payloads.push(vec![b'x'; size]);
        payloads.push(b"the quick brown fox ".iter().copied().cycle().take(size).collect());
        let noise = random.bytes(size);
        payloads
            .push(noise.iter().enumerate().map(|(at, byte)| if at / 500 % 2 == 0 { *byte } else { b' ' }).collect());
        payloads.push(noise);
    }
    payloads
}

fn alone(codec: &Codec) -> Chain {
    Chain::new(std::slice::from_ref(codec)).unwrap()
}

fn encoded(codec: &Codec, data: &[u8]) -> Vec<u8> {
    alone(codec).encode(data, LIMIT_BYTES).unwrap()
}

fn decoded(codec: &Codec, data: &[u8], limit_bytes: u64) -> Result<Vec<u8>> {
    let made = alone(codec).decode(data, limit_bytes)?;
    assert!(made.len() as u64 <= limit_bytes, "{codec:?} made {} bytes of {}", made.len(), data.len());
    Ok(made)
}

#[test]
fn what_is_encoded_is_decoded_again_and_encoding_is_repeatable() {
    for codec in codecs() {
        for payload in payloads() {
            let stored = encoded(&codec, &payload);
            assert!(decoded(&codec, &stored, LIMIT_BYTES).unwrap() == payload, "{codec:?}, {} bytes", payload.len());
            assert!(encoded(&codec, &payload) == stored, "{codec:?}, {} bytes", payload.len());
        }
        let text = encoded(&codec, &payloads()[4]).len();
        assert!(text < 100, "{codec:?}: 63 equal bytes became {text}");
    }
}

#[test]
fn a_payload_may_reach_the_limit_and_not_pass_it() {
    for codec in codecs() {
        for payload in payloads().iter().filter(|payload| !payload.is_empty()) {
            let (stored, size) = (encoded(&codec, payload), payload.len() as u64);
            assert!(decoded(&codec, &stored, size).unwrap() == *payload, "{codec:?}, {size} bytes");
            for limit in [0, size / 2, size - 1] {
                let error = decoded(&codec, &stored, limit).unwrap_err();
                assert_eq!(error.kind, ErrorKind::TooLarge, "{codec:?}, {size} bytes, limit {limit}: {error}");
            }
            let limit = stored.len() as u64 - 1;
            let error = alone(&codec).encode(payload, limit).unwrap_err();
            assert_eq!(error.kind, ErrorKind::TooLarge, "{codec:?}: {error}");
        }
    }
}

/// Snappy streams have no end mark: where a chunk or the identifier begins or ends, a shorter stream ends.
fn may_end_at(codec: &Codec, stored: &[u8], cut: usize) -> bool {
    if codec.id() != Builtin::Snappy as u32 {
        return false;
    }
    let mut at = 0;
    while at < cut {
        at +=
            4 + usize::from(stored[at + 1]) + (usize::from(stored[at + 2]) << 8) + (usize::from(stored[at + 3]) << 16);
    }
    at == cut
}

#[test]
fn what_is_cut_off_or_followed_by_more_fails() {
    for codec in codecs() {
        for payload in payloads().iter().filter(|payload| payload.len() < 5000 || payload.len() > 200_000) {
            let stored = encoded(&codec, payload);
            let step = if payload.len() < 5000 { 1 } else { (stored.len() / 64).max(1) };
            for cut in (0..stored.len()).step_by(step).chain(stored.len().saturating_sub(9)..stored.len()) {
                match decoded(&codec, &stored[..cut], LIMIT_BYTES) {
                    Err(error) => assert_eq!(error.kind, ErrorKind::CodecFailed, "{codec:?} cut at {cut}: {error}"),
                    Ok(made) => {
                        assert!(may_end_at(&codec, &stored, cut), "{codec:?} of {} cut at {cut}", stored.len());
                        assert!(payload.starts_with(&made));
                    }
                }
            }
            for more in [&b"\0"[..], b"x", b"more of it"] {
                let error = decoded(&codec, &[&stored, more].concat(), LIMIT_BYTES).unwrap_err();
                assert_eq!(error.kind, ErrorKind::CodecFailed, "{codec:?} followed by {more:?}: {error}");
            }
        }
    }
}

#[test]
fn two_frames_are_not_one() {
    for codec in codecs().iter().filter(|codec| codec.id() != Builtin::Snappy as u32) {
        let stored = encoded(codec, b"hello world");
        let error = decoded(codec, &[stored.as_slice(), &stored].concat(), LIMIT_BYTES).unwrap_err();
        assert_eq!(error.kind, ErrorKind::CodecFailed, "{codec:?}: {error}");
        // What Zstandard and LZ4 call a skippable frame, of no bytes.
        let skippable = [stored.as_slice(), b"\x50\x2a\x4d\x18\0\0\0\0"].concat();
        assert_eq!(decoded(codec, &skippable, LIMIT_BYTES).unwrap_err().kind, ErrorKind::CodecFailed, "{codec:?}");
    }
}

/// The crates read the frames that are written here, and the readers here read the frames that the crates write.
#[test]
fn lz4_and_snappy_frames_are_those_of_the_crates() {
    use std::io::{Read, Write};
    let [lz4, snappy] = [Builtin::Lz4, Builtin::Snappy].map(|kind| Codec::builtin(kind, 0).unwrap());
    for payload in payloads() {
        let (mut from_lz4, mut from_snappy) = (Vec::new(), Vec::new());
        let frame = encoded(&lz4, &payload);
        lz4_flex::frame::FrameDecoder::new(frame.as_slice()).read_to_end(&mut from_lz4).unwrap();
        let stream = encoded(&snappy, &payload);
        snap::read::FrameDecoder::new(stream.as_slice()).read_to_end(&mut from_snappy).unwrap();
        assert!(from_lz4 == payload && from_snappy == payload, "{} bytes", payload.len());
        let mut writer = lz4_flex::frame::FrameEncoder::new(Vec::new());
        writer.write_all(&payload).unwrap();
        assert!(decoded(&lz4, &writer.finish().unwrap(), LIMIT_BYTES).unwrap() == payload);
        let mut writer = snap::write::FrameEncoder::new(Vec::new());
        writer.write_all(&payload).unwrap();
        assert!(decoded(&snappy, &writer.into_inner().unwrap(), LIMIT_BYTES).unwrap() == payload);
    }
}

/// LZ4 frames with all that the encoder here leaves out: linked blocks, checksums of each block and of the content, its
/// size.
#[test]
fn a_frame_with_checksums_tells_every_damaged_byte() {
    let codec = Codec::builtin(Builtin::Lz4, 0).unwrap();
    let text: Vec<u8> = b"the quick brown fox ".iter().copied().cycle().take(150_000).collect();
    for payload in [&text[..], &text[..10], &Random(3).bytes(100_000)] {
        let info = lz4_flex::frame::FrameInfo::new()
            .block_size(lz4_flex::frame::BlockSize::Max64KB)
            .block_mode(lz4_flex::frame::BlockMode::Linked)
            .block_checksums(true)
            .content_checksum(true)
            .content_size(Some(payload.len() as u64));
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
        std::io::Write::write_all(&mut encoder, payload).unwrap();
        let frame = encoder.finish().unwrap();
        assert!(decoded(&codec, &frame, LIMIT_BYTES).unwrap() == payload);
        for at in (0..frame.len()).step_by(if frame.len() > 5000 { 997 } else { 1 }).chain(frame.len() - 9..frame.len())
        {
            let mut damaged = frame.clone();
            damaged[at] ^= 1;
            let error = decoded(&codec, &damaged, LIMIT_BYTES).unwrap_err();
            assert_eq!(error.kind, ErrorKind::CodecFailed, "byte {at} of {}: {error}", frame.len());
        }
    }
}

#[test]
fn any_bytes_at_all_are_refused_or_decoded_within_the_limit() {
    let mut random = Random(2);
    let seeds: Vec<Vec<u8>> = payloads().into_iter().filter(|payload| payload.len() <= 5000).collect();
    for codec in codecs() {
        let frames: Vec<Vec<u8>> = seeds.iter().map(|payload| encoded(&codec, payload)).collect();
        for round in 0..4000 {
            let mut bytes = if round % 4 == 0 {
                let size = random.below(200);
                random.bytes(size)
            } else {
                frames[random.below(frames.len())].clone()
            };
            for _ in 0..=random.below(4) {
                if !bytes.is_empty() {
                    let at = random.below(bytes.len().min(if round % 2 == 0 { 40 } else { usize::MAX }));
                    bytes[at] = random.next().to_le_bytes()[0];
                }
            }
            let limit = [0, 100, 10_000][random.below(3)];
            if let Err(error) = decoded(&codec, &bytes, limit) {
                assert!(matches!(error.kind, ErrorKind::CodecFailed | ErrorKind::TooLarge), "{codec:?}: {error}");
            }
        }
    }
}

#[test]
fn levels_and_ids_have_bounds() {
    let levels = [(Builtin::Deflate, -1, 10), (Builtin::Zstd, -8, 23), (Builtin::Lz4, -1, 1), (Builtin::Snappy, -1, 1)];
    for (kind, below, above) in levels {
        let expected = if kind == Builtin::Zstd && cfg!(not(feature = "zstd")) {
            ErrorKind::Unsupported
        } else {
            ErrorKind::Argument
        };
        for level in [below, above, i32::MIN, i32::MAX] {
            let error = Codec::builtin(kind, level).unwrap_err();
            assert_eq!(error.kind, expected, "{kind:?} at {level}");
            assert!(error.message().contains(kind.name()), "{error}");
        }
    }
    assert_eq!(Codec::external(CUSTOM_ID_MIN - 1, "x").unwrap_err().kind, ErrorKind::Argument);
    for name in [String::new(), "x".repeat(CODEC_NAME_BYTES_MAX + 1), "a\nb".to_owned()] {
        assert_eq!(Codec::external(CUSTOM_ID_MIN, &name).unwrap_err().kind, ErrorKind::Argument, "{name:?}");
    }
    Codec::external(u32::MAX, &"x".repeat(CODEC_NAME_BYTES_MAX)).unwrap();
}

/// Puts a letter in front, and takes it away again.
struct Prefix(u8);

impl Transform for Prefix {
    fn encode(&self, data: &[u8], out: &mut Sink) -> Result<()> {
        out.write(&[self.0])?;
        out.write(data)
    }

    fn decode(&self, data: &[u8], out: &mut Sink) -> Result<()> {
        match data.split_first() {
            Some((first, rest)) if *first == self.0 => out.write(rest),
            _ => Err(failed("another letter")),
        }
    }
}

fn prefix(letter: u8) -> Codec {
    Codec::custom(CUSTOM_ID_MIN + u32::from(letter), "prefix", Box::new(Prefix(letter))).unwrap()
}

#[test]
fn a_chain_is_applied_in_order_and_undone_in_reverse() {
    let chain = Chain::new(&[prefix(b'a'), Codec::external(CUSTOM_ID_MIN, "outside").unwrap(), prefix(b'b')]).unwrap();
    assert_eq!(*chain.ids(), [CUSTOM_ID_MIN + 97, CUSTOM_ID_MIN, CUSTOM_ID_MIN + 98]);
    assert_eq!(chain.encode(b"text", 6).unwrap(), b"batext");
    assert_eq!(chain.decode(b"batext", 6).unwrap(), b"text");
    assert_eq!(chain.encode(b"text", 5).unwrap_err().kind, ErrorKind::TooLarge);
    let error = chain.decode(b"abtext", 6).unwrap_err();
    assert_eq!((error.kind, error.message()), (ErrorKind::CodecFailed, "codec prefix: another letter"));
    assert!(!chain.is_plain());
    assert!(Chain::new(&[Codec::external(CUSTOM_ID_MIN, "outside").unwrap()]).unwrap().is_plain());
}

#[test]
fn the_recorded_chain_decides() {
    let path = Path::new("a.idx");
    let (none, deflate) = (Chain::default(), Chain::new(&[Codec::builtin(Builtin::Deflate, 9).unwrap()]).unwrap());
    assert_eq!(*none.agree(None, path).unwrap().ids(), [0; 0], "unknown, and none named");
    assert_eq!(*deflate.agree(None, path).unwrap().ids(), [1], "unknown, and one named");
    assert_eq!(*none.agree(Some(&[1, 4]), path).unwrap().ids(), [1, 4], "all built in");
    assert_eq!(*deflate.agree(Some(&[1]), path).unwrap().ids(), [1]);
    for (chain, recorded) in
        [(&deflate, &[][..]), (&deflate, &[4]), (&deflate, &[1, 4]), (&none, &[1, CUSTOM_ID_MIN]), (&none, &[5])]
    {
        let error = chain.agree(Some(recorded), path).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Codec, "{recorded:?}");
        assert!(error.message().contains("a.idx"), "{error}");
    }
    let error = deflate.agree(Some(&[4, 0x1_0000]), path).unwrap_err();
    let chain_from = |first: u32| {
        let codecs: Vec<_> = (0..16).map(|id| Codec::external(first + id, "of the longest chain").unwrap()).collect();
        Chain::new(&codecs).unwrap()
    };
    let longest = chain_from(0xffff_0000).agree(Some(&chain_from(0xfffe_0000).ids()), path).unwrap_err();
    assert!(longest.message().ends_with("name the same codecs in the same order"), "{longest}");
    assert!(error.message().contains("[snappy, 0x10000]") && error.message().contains("[deflate]"), "{error}");
    if cfg!(not(feature = "zstd")) {
        assert_eq!(none.agree(Some(&[2]), path).unwrap_err().kind, ErrorKind::Unsupported);
    }
}
