use std::time::{Duration, Instant};

use super::*;

const BUCKET: i64 = 3;

fn at(sequence: u64) -> Timestamp {
    Timestamp::from_millis(1_000 + sequence as i64)
}

fn opened() -> (tempfile::TempDir, Frames) {
    let folder = tempfile::tempdir().expect("a folder");
    let frames = Frames::open(folder.path(), [BUCKET].into_iter()).expect("it opens");
    (folder, frames)
}

fn write(frames: &mut Frames, events: &[(u64, &[u8])]) -> Vec<Place> {
    let bytes = events.iter().map(|(_, frame)| frame.len()).sum();
    frames.begin(BUCKET, events.len(), bytes).expect("there is a file");
    let add = |(sequence, frame): &(u64, &[u8])| frames.add(*sequence, at(*sequence), frame).expect("there is room");
    let places = events.iter().map(add).collect();
    frames.sync().expect("it is written");
    places
}

fn stored(frames: &mut Frames, events: &[(u64, &[u8])]) -> Vec<Place> {
    let places = write(frames, events);
    frames.keep();
    places
}

fn found(store: &Path, after: u64) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    let each = |lost: Lost| {
        assert_eq!(lost.stored_at, at(lost.sequence));
        assert_eq!(Reader::of(store).frame(lost.place).ok(), Some(lost.frame.clone()), "it stands where it says");
        found.push((lost.sequence, lost.frame));
        Ok(())
    };
    lost(store, BUCKET, after, each).expect("they are read");
    found
}

fn of(events: &[(u64, &[u8])]) -> Vec<(u64, Vec<u8>)> {
    events.iter().map(|(sequence, frame)| (*sequence, frame.to_vec())).collect()
}

/// Changes a byte of a store's first file.
fn spoil(store: &Path, offset: u64) {
    let file = existing(&Name { bucket: BUCKET, number: 0 }.path(&folder(store))).expect("it is there");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("it is that long");
    file.write_all_at(&[!byte[0]], offset).expect("it is written");
}

#[test]
fn events_behind_a_sequence_are_found_in_order() {
    let (store, mut frames) = opened();
    let events: [(u64, &[u8]); 4] = [(1, b"one"), (2, b"two"), (3, b""), (4, b"four")];
    let places = stored(&mut frames, &events[..2]);
    stored(&mut frames, &events[2..]);
    assert_eq!(found(store.path(), 0), of(&events));
    assert_eq!(found(store.path(), 3), of(&events[3..]));
    assert_eq!(found(store.path(), 4), of(&[]));
    let place = places[1];
    assert_eq!(Place::read(&place.write()), Some(place));
    assert_eq!(Place::read(b"two"), None);
}

#[test]
fn what_is_not_whole_ends_what_is_found() {
    for (part, whole) in [("the frame", 28 + 3 + 28 + 1), ("the head", 28 + 3 + 12), ("the end", 28 + 3 + 27)] {
        let (store, mut frames) = opened();
        let events: [(u64, &[u8]); 3] = [(1, b"one"), (2, b"two"), (3, b"three")];
        stored(&mut frames, &events);
        assert_eq!(found(store.path(), 0), of(&events));
        spoil(store.path(), whole);
        assert_eq!(found(store.path(), 0), of(&events[..1]), "{part}");
    }
}

#[test]
fn what_was_overwritten_hides_nothing_behind_it() {
    let (store, mut frames) = opened();
    let places = stored(&mut frames, &[(1, b"one"), (2, b"two"), (3, b"three")]);
    let reader = Reader::of(store.path());
    reader.overwrite(&places[..2]).expect("it is overwritten");
    assert_eq!(reader.frame(places[1]).ok(), Some(vec![0; 3]));
    assert_eq!(found(store.path(), 2), of(&[(3, b"three")]));
}

#[test]
fn what_was_not_committed_is_written_over() {
    let (store, mut frames) = opened();
    stored(&mut frames, &[(1, b"one")]);
    write(&mut frames, &[(2, b"old"), (3, b"old too")]);
    stored(&mut frames, &[(2, b"new")]);
    assert_eq!(found(store.path(), 0), of(&[(1, b"one"), (2, b"new")]), "what stands behind it follows something else");
}

#[test]
fn a_file_that_was_given_up_hides_nothing_of_the_next_one() {
    let (store, mut frames) = opened();
    stored(&mut frames, &[(1, b"one")]);
    write(&mut frames, &[(2, b"old")]);
    frames.segment = None;
    frames.begin(BUCKET, 1, 3).expect("there is a file");
    frames.segment = None;
    stored(&mut frames, &[(2, b"new"), (3, b"three")]);
    assert_eq!(found(store.path(), 0), of(&[(1, b"one"), (2, b"new"), (3, b"three")]));
}

#[test]
fn a_busy_bucket_goes_on_in_files_made_ahead_and_they_go_with_it() {
    let (store, mut frames) = opened();
    let until = Instant::now() + Duration::from_secs(30);
    let frame = vec![7; 100 * 1024];
    let (mut sequence, mut places) = (0, Vec::new());
    while names(&frames.folder).expect("they are listed").len() < 3 {
        assert!(Instant::now() < until, "no file was made ahead");
        sequence += 1;
        places.extend(stored(&mut frames, &[(sequence, &frame)]));
    }
    assert!(frames.segment.as_ref().expect("one").is_prepared);
    let lengths =
        |number| fs::metadata(Name { bucket: BUCKET, number }.path(&frames.folder)).expect("it is there").len();
    assert!(lengths(0) < 2 * SEGMENT_BYTES, "{}", lengths(0));
    assert_eq!(lengths(2), SEGMENT_BYTES, "it has its length");
    assert_eq!(found(store.path(), 0), (1..=sequence).map(|n| (n, frame.clone())).collect::<Vec<_>>());

    drop(frames);
    let files: Vec<_> =
        fs::read_dir(folder(store.path())).expect("they are listed").map(|file| file.expect("one")).collect();
    assert_eq!(files.len(), 3, "{files:?}");
    let last = fs::metadata(Name { bucket: BUCKET, number: 2 }.path(&folder(store.path()))).expect("it is there");
    assert!(last.len() < SEGMENT_BYTES, "what it doesn't need is given back");
    let reader = Reader::of(store.path());
    assert_eq!(reader.frame(places[0]).ok(), Some(frame.clone()));
    let frames = Frames::open(store.path(), [BUCKET].into_iter()).expect("it opens");
    assert_eq!(names(&frames.folder).expect("they are listed").len(), 3, "they are a bucket's that is there");
    reader.remove(BUCKET);
    assert_eq!(names(&frames.folder).expect("they are listed").len(), 0);
    assert!(reader.frame(places[0]).is_err(), "it is not kept open");
}

#[test]
fn what_a_killed_process_had_made_ahead_is_given_back_and_nothing_else() {
    // The last of the events ends in zeros, and the one before was overwritten with them.
    let events: [(u64, &[u8]); 3] = [(1, b"one"), (2, b"two"), (3, b"three\0\0\0")];
    for (behind, is_given_back) in [(b"\0", true), (b"x", false)] {
        let (store, mut frames) = opened();
        let places = stored(&mut frames, &events);
        Reader::of(store.path()).overwrite(&places[1..2]).expect("it is overwritten");
        let path = Name { bucket: BUCKET, number: 0 }.path(&frames.folder);
        let whole = fs::metadata(&path).expect("it is there").len();
        let file = existing(&path).expect("it is there");
        file.set_len(SEGMENT_BYTES).expect("it is longer");
        file.write_all_at(behind, SEGMENT_BYTES - 1).expect("it is written");

        let _opened = Frames::open(store.path(), [BUCKET].into_iter()).expect("it opens");
        let length = fs::metadata(&path).expect("it is there").len();
        assert_eq!(length, if is_given_back { whole } else { SEGMENT_BYTES });
        assert_eq!(Reader::of(store.path()).frame(places[2]).ok(), Some(events[2].1.to_vec()));
        assert_eq!(found(store.path(), 2), of(&events[2..]));
    }
}

#[test]
fn files_of_buckets_that_are_gone_are_removed_when_the_store_opens() {
    let (store, mut frames) = opened();
    stored(&mut frames, &[(1, b"one")]);
    drop(frames);
    Frames::open(store.path(), [BUCKET].into_iter()).expect("it opens");
    assert_eq!(found(store.path(), 0).len(), 1);
    let frames = Frames::open(store.path(), [BUCKET + 1].into_iter()).expect("it opens");
    assert_eq!(names(&frames.folder).expect("they are listed").len(), 0);
}
